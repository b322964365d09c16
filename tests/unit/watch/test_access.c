/* SPDX-License-Identifier: Apache-2.0 */
/* Views of an API server from files in a scratch folder, under a clock of the
 * test's own. A getter writes down what it is told. */

#include "watch/access.h"

#include <errno.h>

#include "scratch.h"

#define PEM_KEY_B "-----BEGIN PRIVATE KEY-----\nMAMCAQQ=\n-----END PRIVATE KEY-----\n"

struct fixture;

struct getter {
	struct fixture *fixture;
	unsigned told;
	bool has_view, is_told;
	char error[512];
	struct access_view view;
};

struct fixture {
	struct scratch scratch;
	uv_loop_t loop;
	struct access *access; /* NULL: none, or closing */
	struct watch_config config;
	char paths[4][256];
	char err[512];
	uint64_t now_ms;
	int64_t wall_s;
	bool closed;
	struct getter getters[3];
};

static uint64_t clock_now(void *user)
{
	return ((struct fixture *)user)->now_ms;
}

static int64_t clock_wall(void *user)
{
	return ((struct fixture *)user)->wall_s;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	scratch_make(&f->scratch);
	uv_loop_init(&f->loop);
	f->now_ms = 1000000;
	for (size_t i = 0; i < 3; i++)
		f->getters[i].fixture = f;
	*state = f;
	return 0;
}

static void on_closed(void *user)
{
	((struct fixture *)user)->closed = true;
}

static void access_end(struct fixture *f)
{
	f->closed = false;
	access_close(f->access, on_closed, f);
	f->access = NULL;
	loop_run(&f->loop, &f->closed);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->access)
		access_end(f);
	assert_int_equal(uv_loop_close(&f->loop), 0); /* no handle is left */
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static const char *path_of(struct fixture *f, size_t slot, const char *name)
{
	snprintf(f->paths[slot], sizeof f->paths[slot], "%s", scratch_path(&f->scratch, name));
	return f->paths[slot];
}

static int open_config(struct fixture *f)
{
	int rc = access_open(&f->loop, &f->config, &f->access, f->err, sizeof f->err);

	if (rc == 0)
		access_set_clock(f->access, clock_now, clock_wall, f);
	return rc;
}

/* A kubeconfig for a server and with these fields of its user. */
static int open_kubeconfig(struct fixture *f, const char *server, const char *user)
{
	char text[1024];

	snprintf(text, sizeof text,
		"current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
		"clusters: [{name: c, cluster: {server: '%s'}}]\nusers:\n- name: u\n  user: %s\n",
		server, user);
	scratch_write(&f->scratch, "config", text);
	f->config.source = WATCH_KUBECONFIG;
	f->config.kubeconfig = path_of(f, 0, "config");
	return open_config(f);
}

static void on_ready(void *user, const struct access_view *view, const char *error)
{
	struct getter *getter = user;

	getter->told++;
	getter->is_told = true;
	getter->has_view = view != NULL;
	if (view)
		getter->view = *view;
	snprintf(getter->error, sizeof getter->error, "%s", error ? error : "");
}

static void ask(struct fixture *f, size_t i, bool force)
{
	f->getters[i].is_told = false;
	assert_int_equal(access_get(f->access, force, on_ready, &f->getters[i]), 0);
	assert_false(f->getters[i].is_told); /* never from inside */
}

static const struct access_view *get(struct fixture *f, bool force)
{
	ask(f, 0, force);
	loop_run(&f->loop, &f->getters[0].is_told);
	assert_true(f->getters[0].has_view);
	return &f->getters[0].view;
}

static void assert_header(const struct access_view *view, const char *wanted)
{
	assert_non_null(view->headers);
	assert_string_equal(view->headers[0], wanted);
	assert_null(view->headers[1]);
}

/* ---- sources ---- */

static void test_in_cluster(void **state)
{
	struct fixture *f = *state;
	const struct access_view *view;

	f->config.source = WATCH_IN_CLUSTER;
	f->config.service_account_dir = f->scratch.dir;
	unsetenv("KUBERNETES_SERVICE_HOST");
	assert_int_equal(open_config(f), -EINVAL);
	assert_string_equal(f->err,
		"not in a cluster: KUBERNETES_SERVICE_HOST is not set; give 'kubeconfig FILE' or "
		"'endpoint URL', or 'manifests PATH' to serve files");
	setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	scratch_write(&f->scratch, "ca.crt", PEM_CERT_A);
	assert_int_equal(open_config(f), -EINVAL);
	assert_says(
		f->err, "/token: No such file or directory; the pod needs its ServiceAccount's");
	scratch_write(&f->scratch, "token", "t1\n");
	assert_int_equal(open_config(f), 0);
	assert_string_equal(access_url(f->access), "https://[fd00::1]:443");
	view = get(f, false);
	assert_true(view->no_proxy);
	assert_string_equal(view->ca_pem, PEM_CERT_A);
	assert_header(view, "Authorization: Bearer t1");
}

static void endpoint_files(struct fixture *f)
{
	scratch_write(&f->scratch, "a.crt", PEM_CERT_A);
	scratch_write(&f->scratch, "a.key", PEM_KEY_A);
	scratch_write(&f->scratch, "ca.crt", PEM_CERT_B);
	f->config = (struct watch_config){
		.source = WATCH_ENDPOINT,
		.endpoint = "https://10.0.0.1:6443/",
		.tls_cert = path_of(f, 0, "a.crt"),
		.tls_key = path_of(f, 1, "a.key"),
		.tls_ca = path_of(f, 2, "ca.crt"),
	};
}

static void test_endpoint(void **state)
{
	struct fixture *f = *state;
	const struct access_view *view;

	endpoint_files(f);
	assert_int_equal(open_config(f), 0);
	view = get(f, false);
	assert_string_equal(view->url, "https://10.0.0.1:6443");
	assert_string_equal(view->cert_pem, PEM_CERT_A);
	assert_string_equal(view->key_pem, PEM_KEY_A);
	assert_string_equal(view->ca_pem, PEM_CERT_B);
	assert_int_equal(view->ca_pem_len, strlen(PEM_CERT_B));
	assert_null(view->headers);
	assert_false(view->no_proxy);
	access_end(f);
	f->config.tls_key = NULL;
	assert_int_equal(open_config(f), -EINVAL);
	assert_says(f->err, "write 'tls CERT KEY CACERT'");
	endpoint_files(f);
	scratch_write(&f->scratch, "ca.crt", "hello");
	assert_int_equal(open_config(f), -EINVAL);
	assert_says(f->err, "/ca.crt holds no PEM certificate");
}

static void test_kubeconfig_token(void **state)
{
	struct fixture *f = *state;
	const struct access_view *view;

	assert_int_equal(open_kubeconfig(f, "https://h:6443/", "{token: t1}"), 0);
	view = get(f, false);
	assert_string_equal(view->url, "https://h:6443");
	assert_header(view, "Authorization: Bearer t1");
	assert_null(view->ca_pem);
	assert_null(view->cert_pem);
	assert_null(view->key_pem);
	assert_null(view->proxy_url);
	assert_false(view->no_proxy);
	assert_false(view->insecure);
	assert_string_equal(f->getters[0].error, "");
}

static void test_credentials_in_clear_text(void **state)
{
	struct fixture *f = *state;
	static const char *const secrets[] = {"{token: t}", "{username: a, password: b}",
		"{exec: {apiVersion: client.authentication.k8s.io/v1, command: x}}"};

	for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
		assert_int_equal(open_kubeconfig(f, "http://10.0.0.1", secrets[i]), -EINVAL);
		assert_string_equal(f->err,
			"credentials would go to http://10.0.0.1 in clear text; give the API "
			"server's https:// URL");
		assert_int_equal(open_kubeconfig(f, "http://127.0.0.1:8001", secrets[i]), 0);
		access_end(f);
	}
	assert_int_equal(open_kubeconfig(f, "http://10.0.0.1", "{}"), 0);
}

/* ---- files that change ---- */

static void test_a_token_is_read_again(void **state)
{
	struct fixture *f = *state;

	scratch_write(&f->scratch, "token", "t1");
	assert_int_equal(open_kubeconfig(f, "https://h", "{tokenFile: token}"), 0);
	assert_header(get(f, false), "Authorization: Bearer t1");
	scratch_write(&f->scratch, "token", "t2");
	f->now_ms += 49999;
	assert_header(get(f, false), "Authorization: Bearer t1");
	f->now_ms += 1;
	assert_header(get(f, false), "Authorization: Bearer t2");
	scratch_write(&f->scratch, "token", "t3");
	assert_header(get(f, true), "Authorization: Bearer t3");
	/* one that has gone is told, and the last one goes on */
	assert_int_equal(unlink(scratch_path(&f->scratch, "token")), 0);
	assert_header(get(f, true), "Authorization: Bearer t3");
	assert_says(f->getters[0].error, "/token: No such file or directory");
	scratch_write(&f->scratch, "token", "t4");
	assert_header(get(f, true), "Authorization: Bearer t4");
	assert_string_equal(f->getters[0].error, "");
	/* connections may stay: it is the same TLS */
	assert_int_equal(f->getters[0].view.tls_generation, 1);
}

static void test_tls_generation(void **state)
{
	struct fixture *f = *state;

	endpoint_files(f);
	assert_int_equal(open_config(f), 0);
	assert_int_equal(get(f, false)->tls_generation, 1);
	assert_int_equal(get(f, true)->tls_generation, 1);
	scratch_write(&f->scratch, "ca.crt", PEM_CERT_A);
	assert_int_equal(get(f, false)->tls_generation, 1); /* not due yet */
	f->now_ms += 300000;
	assert_int_equal(get(f, false)->tls_generation, 2);
	assert_string_equal(f->getters[0].view.ca_pem, PEM_CERT_A);
	assert_int_equal(get(f, true)->tls_generation, 2);
	scratch_write(&f->scratch, "a.crt", PEM_CERT_B);
	assert_int_equal(get(f, true)->tls_generation, 3);
	scratch_write(&f->scratch, "a.crt", "");
	assert_int_equal(get(f, true)->tls_generation, 3);
	assert_string_equal(f->getters[0].view.cert_pem, PEM_CERT_B);
	assert_says(f->getters[0].error, "/a.crt");
	scratch_write(&f->scratch, "a.key", PEM_KEY_B);
	assert_int_equal(get(f, true)->tls_generation, 4);
	assert_string_equal(f->getters[0].view.key_pem, PEM_KEY_B);
	assert_int_equal(get(f, true)->tls_generation, 4);
}

/* ---- a credential plugin ---- */

/* It adds a line to "runs" each time, and says this. */
static void plugin_write(struct fixture *f, const char *says)
{
	char text[1024];

	snprintf(text, sizeof text, "#!/bin/sh\necho x >>%s/runs\n%s\n", f->scratch.dir, says);
	scratch_write(&f->scratch, "plugin", text);
	assert_int_equal(chmod(scratch_path(&f->scratch, "plugin"), 0755), 0);
}

#define TOKEN(text)                                                                                \
	"echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","   \
	"\"status\":{\"token\":\"" text "\",\"expirationTimestamp\":\"1970-01-01T01:00:00Z\"}}'"

static void plugin_open(struct fixture *f, const char *says)
{
	plugin_write(f, says);
	assert_int_equal(open_kubeconfig(f, "https://h",
				 "{exec: {apiVersion: client.authentication.k8s.io/v1, "
				 "command: ./plugin}}"),
		0);
}

static int runs(struct fixture *f)
{
	struct stat st;

	return stat(scratch_path(&f->scratch, "runs"), &st) == 0 ? (int)st.st_size / 2 : 0;
}

static void test_a_plugin_is_asked_once(void **state)
{
	struct fixture *f = *state;

	plugin_open(f, TOKEN("t1"));
	assert_int_equal(runs(f), 0); /* not before somebody asks */
	for (size_t i = 0; i < 3; i++)
		ask(f, i, false);
	access_cancel(f->access, &f->getters[1]);
	loop_run(&f->loop, &f->getters[2].is_told);
	assert_int_equal(f->getters[0].told, 1);
	assert_int_equal(f->getters[1].told, 0);
	assert_int_equal(f->getters[2].told, 1);
	assert_int_equal(runs(f), 1);
	assert_header(get(f, false), "Authorization: Bearer t1");
	plugin_write(f, TOKEN("t2"));
	f->wall_s = 3589; /* of 3600, less ten seconds */
	f->now_ms += 3000;
	assert_header(get(f, false), "Authorization: Bearer t1");
	assert_int_equal(runs(f), 1);
	f->wall_s = 3590;
	assert_header(get(f, false), "Authorization: Bearer t2");
	assert_int_equal(runs(f), 2);
}

/* After a 401, unless it is so young that another reflector has just asked. */
static void test_a_plugin_is_forced(void **state)
{
	struct fixture *f = *state;

	plugin_open(f, TOKEN("t1"));
	assert_header(get(f, false), "Authorization: Bearer t1");
	plugin_write(f, TOKEN("t2"));
	f->now_ms += 1999;
	assert_header(get(f, true), "Authorization: Bearer t1");
	f->now_ms += 1;
	assert_header(get(f, true), "Authorization: Bearer t2");
	assert_int_equal(runs(f), 2);
}

static void test_a_plugin_fails(void **state)
{
	struct fixture *f = *state;

	plugin_open(f, "echo no network >&2; exit 3");
	for (int again = 0; again < 2; again++) {
		ask(f, 0, false);
		loop_run(&f->loop, &f->getters[0].is_told);
		assert_false(f->getters[0].has_view);
		assert_says(f->getters[0].error, "it failed with exit status 3: no network");
	}
	assert_int_equal(runs(f), 1); /* left alone for a moment */
	plugin_write(f, TOKEN("t1"));
	f->now_ms += 5000;
	assert_header(get(f, false), "Authorization: Bearer t1");
	/* one that fails later is told, while the credential is good */
	plugin_write(f, "exit 4");
	f->now_ms += 5000;
	assert_header(get(f, true), "Authorization: Bearer t1");
	assert_says(f->getters[0].error, "exit status 4");
	f->wall_s = 3600;
	ask(f, 0, false);
	loop_run(&f->loop, &f->getters[0].is_told);
	assert_false(f->getters[0].has_view);
}

/* It is killed, and those who wait hear nothing any more. */
static void test_close_while_a_plugin_runs(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkfifo(scratch_path(&f->scratch, "fifo"), 0600), 0);
	plugin_open(f, "cat $(dirname $0)/fifo");
	ask(f, 0, false);
	access_end(f);
	assert_int_equal(f->getters[0].told, 0);
}

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_in_cluster),
		FIXTURE_TEST(test_endpoint),
		FIXTURE_TEST(test_kubeconfig_token),
		FIXTURE_TEST(test_credentials_in_clear_text),
		FIXTURE_TEST(test_a_token_is_read_again),
		FIXTURE_TEST(test_tls_generation),
		FIXTURE_TEST(test_a_plugin_is_asked_once),
		FIXTURE_TEST(test_a_plugin_is_forced),
		FIXTURE_TEST(test_a_plugin_fails),
		FIXTURE_TEST(test_close_while_a_plugin_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
