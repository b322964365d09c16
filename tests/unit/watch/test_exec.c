/* SPDX-License-Identifier: Apache-2.0 */
/* Real programs: shell scripts in a folder of the test's own. */

#include "watch/exec.h"

#include "nomem.h"
#include "scratch.h"

#include <fcntl.h>
#include <poll.h>

#define V1   "client.authentication.k8s.io/v1"
#define HEAD "{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\",\"status\":{"
#define SAY(status)                                                                                \
	"cat <<'EOT'\n" HEAD status "}}\n"                                                         \
	"EOT\n"
#define PATIENT_MS 60000

struct fixture {
	struct scratch scratch;
	uv_loop_t loop;
	struct exec_config config;
	struct exec_run *run;
	char command[256];
	unsigned ends;
	bool ended;
	struct credential credential;
	char error[2048]; /* "": none */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	static char version[] = V1, info[] = "{\"kind\":\"ExecCredential\"}";

	assert_non_null(f);
	scratch_make(&f->scratch);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	strcpy(f->command, scratch_path(&f->scratch, "plugin"));
	f->config =
		(struct exec_config){.command = f->command, .api_version = version, .info = info};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	credential_clear(&f->credential);
	assert_int_equal(uv_run(&f->loop, UV_RUN_NOWAIT), 0);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static void plugin_write(struct fixture *f, const char *script)
{
	char text[4096];

	snprintf(text, sizeof text, "#!/bin/sh\ncd \"${0%%/*}\" || exit 99\n%s", script);
	scratch_write(&f->scratch, "plugin", text);
	assert_int_equal(chmod(f->command, 0700), 0);
}

static void run_ended(void *user, struct credential *credential, const char *error)
{
	struct fixture *f = user;

	f->ends++;
	f->ended = true;
	assert_true(!credential != !error);
	if (credential)
		f->credential = *credential;
	else
		snprintf(f->error, sizeof f->error, "%s", error);
}

static int run_start(struct fixture *f, unsigned timeout_ms)
{
	credential_clear(&f->credential);
	f->error[0] = '\0';
	f->ended = false;
	f->ends = 0;
	return exec_start(&f->loop, &f->config, timeout_ms, run_ended, f, &f->run);
}

static void run_wait(struct fixture *f)
{
	assert_int_equal(f->ends, 0);
	loop_run(&f->loop, &f->ended);
	assert_int_equal(f->ends, 1);
}

static void plugin_run(struct fixture *f, const char *script)
{
	plugin_write(f, script);
	assert_int_equal(run_start(f, PATIENT_MS), 0);
	run_wait(f);
}

static void assert_token(const struct fixture *f, const char *wanted)
{
	assert_string_equal(f->error, "");
	assert_non_null(f->credential.token);
	assert_string_equal(f->credential.token, wanted);
}

/* The whole of it, behind the plugin's name. */
static void assert_error(const struct fixture *f, const char *wanted)
{
	char text[2048];

	snprintf(text, sizeof text, "credential plugin %s: %s", f->config.command, wanted);
	assert_string_equal(f->error, text);
	assert_null(f->credential.token);
}

/* ---- what it prints ---- */

static void test_token_and_expiry(void **state)
{
	struct fixture *f = *state;

	plugin_run(f, SAY("\"token\":\"t1\",\"expirationTimestamp\":\"1970-01-01T01:00:00Z\""));
	assert_token(f, "t1");
	assert_null(f->credential.cert_pem);
	assert_true(f->credential.expires);
	assert_int_equal(f->credential.expiry_s, 3600);
	/* What it writes to standard error beside is nobody's business. */
	plugin_run(f, "echo 'a warning' >&2\n" SAY("\"token\":\"t2\""));
	assert_token(f, "t2");
	assert_false(f->credential.expires);
}

static void test_certificate(void **state)
{
	struct fixture *f = *state;

	plugin_run(f, SAY("\"clientCertificateData\":\"-----BEGIN CERTIFICATE-----\\nMAMCAQE=\\n"
			  "-----END CERTIFICATE-----\\n\",\"clientKeyData\":\"-----BEGIN PRIVATE "
			  "KEY-----\\nMAMCAQM=\\n-----END PRIVATE KEY-----\\n\""));
	assert_string_equal(f->error, "");
	assert_null(f->credential.token);
	assert_string_equal(f->credential.cert_pem, PEM_CERT_A);
	assert_string_equal(f->credential.key_pem, PEM_KEY_A);
}

static void test_wrong_answers(void **state)
{
	static const char *const rows[][2] = {
		{"", "it did not print JSON"},
		{"echo 'log in first'", "it did not print JSON"},
		{"echo '{\"apiVersion\":\"" V1 "beta1\",\"kind\":\"ExecCredential\",\"status\":"
		 "{\"token\":\"t\"}}'",
			"it printed apiVersion " V1 "beta1, the kubeconfig asks for " V1},
		{"echo '{\"apiVersion\":\"" V1 "\",\"kind\":\"Config\",\"status\":"
		 "{\"token\":\"t\"}}'",
			"it did not print an ExecCredential"},
		{"echo help >&2", "it did not print JSON: help"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		plugin_run(f, rows[i][0]);
		assert_error(f, rows[i][1]);
	}
}

/* It would end its header line early. */
static void test_token_with_a_line_break_is_refused(void **state)
{
	struct fixture *f = *state;

	plugin_run(f, SAY("\"token\":\"t1\\r\\nX-Other: b\""));
	assert_error(f, "its status.token has spaces or control characters in it");
	plugin_run(f, SAY("\"token\":\"t1\\n\""));
	assert_error(f, "its status.token has spaces or control characters in it");
}

/* ---- what it gets ---- */

static void assert_file(struct fixture *f, const char *name, const char *wanted)
{
	FILE *file = fopen(scratch_path(&f->scratch, name), "r");
	char text[512];

	assert_non_null(file);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(text, wanted);
}

static void test_arguments_and_environment(void **state)
{
	struct fixture *f = *state;
	char one[] = "get token", two[] = "", added[] = "ADDED=a=b", instead[] = "OURS_TWO=theirs";
	char info[] = "KUBERNETES_EXEC_INFO=forged";
	char *args[] = {one, two, NULL}, *env[] = {added, instead, info, NULL};

	setenv("OURS_ONE", "ours", 1);
	setenv("OURS_TWO", "ours", 1);
	setenv("KUBERNETES_EXEC_INFO", "old", 1);
	f->config.args = args;
	f->config.env = env;
	plugin_run(f, "printf '<%s>' \"$#\" \"$@\" \"$OURS_ONE\" \"$OURS_TWO\" \"$ADDED\""
		      " \"$KUBERNETES_EXEC_INFO\" >seen\n"
		      "tr '\\0' '\\n' <\"/proc/$$/environ\" |"
		      " grep -c -e ^OURS_TWO= -e ^KUBERNETES_EXEC_INFO= >count\n" SAY(
			      "\"token\":\"t1\""));
	unsetenv("OURS_ONE");
	unsetenv("OURS_TWO");
	unsetenv("KUBERNETES_EXEC_INFO");
	assert_token(f, "t1");
	assert_file(
		f, "seen", "<2><get token><><ours><theirs><a=b><{\"kind\":\"ExecCredential\"}>");
	assert_file(f, "count", "2\n");
}

static void test_looked_up_in_path(void **state)
{
	struct fixture *f = *state;
	char name[] = "plugin", *old = strdup(getenv("PATH")), path[1024];

	plugin_write(f, SAY("\"token\":\"t1\""));
	snprintf(path, sizeof path, "%s:/usr/bin:/bin", f->scratch.dir);
	setenv("PATH", path, 1);
	f->config.command = name;
	assert_int_equal(run_start(f, PATIENT_MS), 0);
	run_wait(f);
	setenv("PATH", old, 1);
	free(old);
	assert_token(f, "t1");
}

static void test_no_input_and_no_terminal(void **state)
{
	struct fixture *f = *state;
	int ends[2], saved = dup(0);

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "line\n", 5), 5);
	assert_int_equal(dup2(ends[0], 0), 0);
	plugin_run(f, "read line && exit 4\n"
		      "set -- $(cat \"/proc/$$/stat\")\n"
		      "[ \"$6\" = \"$$\" ] || exit 5 # leads a session\n" SAY("\"token\":\"t1\""));
	dup2(saved, 0);
	close(saved);
	close(ends[0]);
	close(ends[1]);
	assert_token(f, "t1");
}

/* ---- what goes wrong ---- */

static void test_failure_tells_standard_error(void **state)
{
	struct fixture *f = *state;
	char hint[] = "get it from https://plugin.example", wanted[700];
	int len;

	plugin_run(f, SAY("\"token\":\"t1\"") "printf 'please\\tlog\\n in \\n\\n' >&2\nexit 3");
	assert_error(f, "it failed with exit status 3: please log  in");
	plugin_run(f, "kill -9 $$");
	assert_error(f, "it was ended by signal 9");
	/* Not all of a long one. */
	plugin_run(f, "head -c 5000 /dev/zero | tr '\\0' e >&2\nexit 1");
	len = snprintf(wanted, sizeof wanted, "it failed with exit status 1: ");
	memset(wanted + len, 'e', 511);
	wanted[len + 511] = '\0';
	assert_error(f, wanted);
	f->config.install_hint = hint;
	plugin_run(f, "exit 3");
	assert_error(f, "it failed with exit status 3; get it from https://plugin.example");
}

static void test_not_found(void **state)
{
	struct fixture *f = *state;
	char hint[] = "get it from https://plugin.example", none[] = "binnacle-no-such-plugin";

	assert_int_equal(run_start(f, PATIENT_MS), 0);
	run_wait(f);
	assert_error(f, "cannot be started: no such file or directory");
	f->config.install_hint = hint;
	f->config.command = none;
	assert_int_equal(run_start(f, PATIENT_MS), 0);
	/* It is ending by itself: nothing to stop. */
	exec_stop(f->run);
	run_wait(f);
	assert_error(f, "cannot be started: no such file or directory; "
			"get it from https://plugin.example");
	f->config.install_hint = NULL;
	f->config.command = f->command;
	plugin_write(f, "");
	assert_int_equal(chmod(f->command, 0600), 0);
	assert_int_equal(run_start(f, PATIENT_MS), 0);
	run_wait(f);
	assert_error(f, "cannot be started: permission denied");
}

static void test_output_has_a_bound(void **state)
{
	struct fixture *f = *state;
	const size_t answer = strlen(HEAD "\"token\":\"t1\"}}\n");
	char script[512];

	for (size_t over = 0; over < 2; over++) {
		snprintf(script, sizeof script,
			SAY("\"token\":\"t1\"") "head -c %zu /dev/zero | tr '\\0' ' '",
			EXEC_OUTPUT_MAX - answer + over);
		plugin_run(f, script);
		if (over == 0)
			assert_token(f, "t1");
	}
	assert_error(f, "it printed more than 1 MiB and was ended");
	plugin_run(f, "exec yes");
	assert_error(f, "it printed more than 1 MiB and was ended");
}

/* ---- ending it ---- */

/* Has a child that holds the writing end of "fifo", and says so. */
#define WITH_CHILD "(printf x; exec sleep 1000) >fifo &\nwait\n"

static int fifo_open(struct fixture *f, int flags)
{
	const char *path = scratch_path(&f->scratch, "fifo");
	int fd;

	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, flags | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* The next byte; 0: all that could write are gone. */
static int fifo_next(int fd)
{
	struct pollfd waiting = {.fd = fd, .events = POLLIN};
	char byte = 0;

	assert_int_equal(poll(&waiting, 1, 20000), 1);
	return read(fd, &byte, 1) == 1 ? byte : 0;
}

static void test_too_long_ends_it_and_its_children(void **state)
{
	struct fixture *f = *state;
	int fd = fifo_open(f, O_RDONLY | O_NONBLOCK);

	plugin_write(f, "echo 'waiting for a browser' >&2\n" WITH_CHILD);
	assert_int_equal(run_start(f, 1), 0);
	/* The loop stands until the child is there. */
	assert_int_equal(fifo_next(fd), 'x');
	run_wait(f);
	assert_says(f->error, ": it took too long and was ended");
	assert_int_equal(fifo_next(fd), 0);
	close(fd);
}

static void test_stop_ends_it_and_its_children(void **state)
{
	struct fixture *f = *state;
	int fd = fifo_open(f, O_RDONLY | O_NONBLOCK);

	plugin_write(f, WITH_CHILD);
	assert_int_equal(run_start(f, PATIENT_MS), 0);
	assert_int_equal(fifo_next(fd), 'x');
	exec_stop(f->run);
	exec_stop(f->run);
	run_wait(f);
	assert_error(f, "stopped");
	assert_int_equal(fifo_next(fd), 0);
	close(fd);
}

/* A helper that goes on in the background keeps the pipes open. */
static void test_a_child_that_stays_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	int fd = fifo_open(f, O_RDWR);

	plugin_run(f, "exec 9<fifo\n(read line <&9) &\n" SAY("\"token\":\"t1\""));
	assert_token(f, "t1");
	close(fd); /* the child reads the end of the file */
}

/* ---- no memory ---- */

static void test_no_memory(void **state)
{
	struct fixture *f = *state;
	char added[] = "ADDED=1", *env[] = {added, NULL};
	unsigned nth = 0, refused = 0, failed = 0;

	f->config.env = env;
	plugin_write(f, "echo beside >&2\n" SAY("\"token\":\"t1\""));
	do {
		int rc;

		nomem_at(++nth);
		rc = run_start(f, PATIENT_MS);
		if (rc < 0) {
			assert_int_equal(rc, -ENOMEM);
			assert_int_equal(f->ends, 0);
			refused++;
			continue;
		}
		run_wait(f);
		if (!f->error[0])
			continue;
		assert_says(f->error, ": out of memory");
		assert_null(f->credential.token);
		failed++;
	} while (nomem_left == 0);
	nomem_at(0);
	assert_token(f, "t1");
	/* run, its arguments, list, info and two strings; a buffer, the output, the token. */
	assert_true(refused >= 6);
	assert_true(failed >= 3);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_token_and_expiry),
		CASE(test_certificate),
		CASE(test_wrong_answers),
		CASE(test_token_with_a_line_break_is_refused),
		CASE(test_arguments_and_environment),
		CASE(test_looked_up_in_path),
		CASE(test_no_input_and_no_terminal),
		CASE(test_failure_tells_standard_error),
		CASE(test_not_found),
		CASE(test_output_has_a_bound),
		CASE(test_too_long_ends_it_and_its_children),
		CASE(test_stop_ends_it_and_its_children),
		CASE(test_a_child_that_stays_is_not_waited_for),
		CASE(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
