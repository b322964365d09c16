/* SPDX-License-Identifier: Apache-2.0 */
/* Upstreams of files are asked at port 53, so that here nobody answers for them: what is
 * looked at is which there are. Files are looked at more often than in earnest (the linker
 * leads uv_fs_poll_start() here). */
#include "dns/plugin/forward.h"

#include "dns/plugin/list.h"
#include "forward_world.h"

int __real_uv_fs_poll_start(
	uv_fs_poll_t *poll_handle, uv_fs_poll_cb cb, const char *path, unsigned int interval_ms);
int __wrap_uv_fs_poll_start(
	uv_fs_poll_t *poll_handle, uv_fs_poll_cb cb, const char *path, unsigned int interval_ms);

int __wrap_uv_fs_poll_start(
	uv_fs_poll_t *poll_handle, uv_fs_poll_cb cb, const char *path, unsigned int interval_ms)
{
	assert_true(interval_ms >= 1000);
	return __real_uv_fs_poll_start(poll_handle, cb, path, 20);
}

static char path[] = "/tmp/test_forward_files.XXXXXX";

/* Of another size or time: that is what is looked at. */
static void file_write(const char *text)
{
	char next[sizeof path + 4];
	FILE *file;

	snprintf(next, sizeof next, "%s.new", path);
	file = fopen(next, "we");
	fputs(text, file);
	fclose(file);
	assert_int_equal(rename(next, path), 0);
}

static struct world *files_open(unsigned ups, const char *to, const char *options)
{
	struct world *world = world_new(ups);
	char body[512];

	for (unsigned i = 0; i < ups; i++)
		world->up[i].mute = true;
	snprintf(body, sizeof body, "errors\nforward . %s %s {\n%s}\n", to, path, options);
	world_open_at(world, body);
	return world;
}

/* ---- what the line has by now, looked at on its thread ---- */

struct look {
	struct worker_job job;
	const struct forward *forward;
	char text[1024];
	const struct upstream *at[FORWARD_UPSTREAMS_MAX];
	atomic_bool done;
};

static void on_look(struct worker_job *base, bool cancelled)
{
	struct look *look = (struct look *)(void *)base;
	const struct forward_line *line = &look->forward->lines[0];

	assert_false(cancelled);
	for (unsigned i = 0; i < line->upstream_count; i++) {
		strcat(look->text, line->upstreams[i]->text);
		strcat(look->text, " ");
		look->at[i] = line->upstreams[i];
	}
	look->done = true;
}

static void upstreams_look(struct world *world, struct look *look)
{
	const struct block *block = &world->config->blocks[0];

	memset(look, 0, sizeof *look);
	look->job.run = on_look;
	for (size_t i = 0; i < block->plugin_count; i++) {
		if (block->plugins[i].plugin == &plugin_forward)
			look->forward = block->plugins[i].instance;
	}
	worker_post(listen_worker(world->listen), &look->job);
	while (!look->done)
		poll(NULL, 0, 1);
}

static void upstreams_become(struct world *world, const char *text, struct look *look)
{
	const uint64_t end_ms = clock_ms() + WORLD_WAIT_MS;

	do {
		pump(world, 5);
		upstreams_look(world, look);
	} while (strcmp(look->text, text) != 0 && clock_ms() < end_ms);
	assert_string_equal(look->text, text);
}

static void test_a_file_that_changes(void **state)
{
	struct look before, look;
	struct world *world;

	(void)state;
	file_write("nameserver 127.0.0.11\nnameserver 127.0.0.12\n");
	world = files_open(0, "127.0.0.10:5", "");
	upstreams_become(world, "127.0.0.10:5 127.0.0.11:53 127.0.0.12:53 ", &before);
	/* one goes, two come; who stays is known still */
	file_write("nameserver 127.0.0.13\nnameserver 127.0.0.12\nnameserver ::1\n");
	upstreams_become(world, "127.0.0.10:5 127.0.0.13:53 127.0.0.12:53 [::1]:53 ", &look);
	assert_ptr_equal(look.at[0], before.at[0]);
	assert_ptr_equal(look.at[2], before.at[2]);
	world_logs(world, "has changed; name servers in it now: 3");
	file_write("nameserver 127.0.0.14\n");
	upstreams_become(world, "127.0.0.10:5 127.0.0.14:53 ", &look);
	assert_ptr_equal(look.at[0], before.at[0]);
	world_close(world);
}

/* Half a file, or none for a moment, is no reason to ask nobody. */
static void test_a_file_that_is_gone(void **state)
{
	struct look before, look;
	struct world *world;

	(void)state;
	file_write("nameserver 127.0.0.11\n");
	world = files_open(0, "", "");
	upstreams_become(world, "127.0.0.11:53 ", &before);
	file_write("# nothing\n");
	world_logs(world, "names no name server; the upstreams that it named before are asked on");
	assert_int_equal(unlink(path), 0);
	world_logs(world,
		"No such file or directory; the upstreams that it named before are asked on");
	upstreams_look(world, &look);
	assert_string_equal(look.text, "127.0.0.11:53 ");
	assert_ptr_equal(look.at[0], before.at[0]);
	/* another text with the same upstreams */
	file_write("search corp\nnameserver 127.0.0.11\n");
	pump_for(world, 100);
	assert_null(strstr(world_log(world), "has changed"));
	file_write("nameserver 127.0.0.15\n");
	upstreams_become(world, "127.0.0.15:53 ", &look);
	world_close(world);
}

static void test_a_file_without_upstreams(void **state)
{
	struct look look;
	struct world *world;

	(void)state;
	file_write("search corp\n");
	world = files_open(0, "", "");
	world_logs(world, "names no name server; names outside of the cluster are answered with "
			  "SERVFAIL until it does");
	world_ask(world, "web.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	world_logs(world, "there is no upstream to ask");
	file_write("nameserver 127.0.0.11\n");
	upstreams_become(world, "127.0.0.11:53 ", &look);
	world_close(world);
}

static void test_a_file_that_cannot_be_read(void **state)
{
	char text[256], want[256];

	(void)state;
	unlink(path);
	snprintf(text, sizeof text, ". {\nforward . %s\n}\n", path);
	snprintf(want, sizeof want,
		"F:2:1: forward: '%s' is neither an address nor a file that can be read (No such",
		path);
	world_refused(text, want);
}

/* Fifteen in all. */
static void test_more_than_a_line_can_have(void **state)
{
	char text[1024] = "";
	struct look look;
	struct world *world;

	(void)state;
	file_write("nameserver 127.0.0.11\nnameserver 127.0.0.12\nnameserver 127.0.0.13\n");
	for (unsigned i = 0; i < 14; i++)
		sprintf(text + strlen(text), "127.0.1.%u:5 ", i);
	world = files_open(0, text, "");
	strcat(text, "127.0.0.11:53 ");
	upstreams_become(world, text, &look);
	world_close(world);
}

/* An upstream goes while questions are under way with it over TCP: they go on with others, and
 * nothing is left behind of it. */
static void test_an_upstream_goes_with_questions_under_way(void **state)
{
	struct look look;
	struct world *world;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, conn;
	uint8_t probe[512];
	ssize_t n;
	struct sockaddr_in at = loopback(53);

	(void)state;
	at.sin_addr.s_addr = inet_addr("127.0.0.77");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0) {
		close(fd);
		skip(); /* no permission for port 53 */
	}
	assert_int_equal(listen(fd, 16), 0);
	file_write("nameserver 127.0.0.77\nnameserver 127.0.0.78\nnameserver 127.0.0.79\n");
	world = files_open(0, "", "force_tcp\npolicy sequential\nhealth_check 60s\n");
	/* it is well by its probe, and silent then */
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	n = recv(conn, probe, sizeof probe, 0);
	assert_true(n > 2 + DNS_HEADER_LEN);
	probe[4] |= 0x80;
	assert_int_equal(send(conn, probe, (size_t)n, 0), n);
	pump_for(world, 50);
	for (unsigned i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof name, "web%u.test", i);
		world_ask(world, name, TYPE_A);
	}
	pump_for(world, 50);
	file_write("nameserver 127.0.0.79\n");
	upstreams_become(world, "127.0.0.79:53 ", &look);
	for (unsigned i = 0; i < 20; i++)
		assert_string_equal(world_hear(world), "SERVFAIL");
	pump_for(world, 50);
	world_close(world);
	close(conn);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_that_changes),
		cmocka_unit_test(test_a_file_that_is_gone),
		cmocka_unit_test(test_a_file_without_upstreams),
		cmocka_unit_test(test_a_file_that_cannot_be_read),
		cmocka_unit_test(test_more_than_a_line_can_have),
		cmocka_unit_test(test_an_upstream_goes_with_questions_under_way),
	};
	int fd = mkstemp(path), rc;

	close(fd);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return rc;
}
