/* SPDX-License-Identifier: Apache-2.0 */
/* A run ends when the program has left and both its pipes are at their end. What
 * can go wrong on the way:
 *   - it cannot be started: told from the loop, as every end is;
 *   - it takes too long or prints too much: it and its children are killed;
 *   - it leaves, but a child keeps a pipe open: the pipes are given half a second.
 * Then all handles are closed, and the last close callback tells the result. */

#include "exec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define ERRORS_MAX 512 /* of standard error, what is kept */
#define DRAIN_MS   500

struct exec_run {
	const struct exec_config *config;
	void (*done)(void *user, struct credential *credential, const char *error);
	void *user;
	uv_process_t process;
	uv_pipe_t out_pipe, err_pipe;
	uv_timer_t timer;
	unsigned open;    /* handles not yet closed */
	unsigned reading; /* pipes not yet at their end */
	unsigned timeout_ms;
	bool running, closing;
	int64_t exit_status;
	int exit_signal;
	char *output;
	size_t output_len;
	char errors[ERRORS_MAX];
	size_t errors_len;
	char why[160]; /* why we ended it; "": we did not */
};

/* ---- the result ---- */

/* Printable, and one line. */
static void errors_tidy(struct exec_run *run)
{
	while (run->errors_len > 0 && (unsigned char)run->errors[run->errors_len - 1] <= ' ')
		run->errors_len--;
	run->errors[run->errors_len] = '\0';
	for (size_t i = 0; i < run->errors_len; i++) {
		unsigned char c = (unsigned char)run->errors[i];

		if (c < ' ' || c == 0x7f)
			run->errors[i] = ' ';
	}
}

static int result_read(struct exec_run *run, struct credential *out, char *err, size_t err_len)
{
	if (run->why[0])
		snprintf(err, err_len, "%s", run->why);
	else if (run->exit_signal != 0)
		snprintf(err, err_len, "it was ended by signal %d", run->exit_signal);
	else if (run->exit_status != 0)
		snprintf(err, err_len, "it failed with exit status %d", (int)run->exit_status);
	else
		return credential_parse(run->output ? run->output : "", run->output_len,
			run->config->api_version, out, err, err_len);
	return -EINVAL;
}

static void run_end(struct exec_run *run)
{
	struct credential credential = {0};
	char why[256], error[1536];
	const char *hint = run->config->install_hint;

	errors_tidy(run);
	if (result_read(run, &credential, why, sizeof why) == 0) {
		run->done(run->user, &credential, NULL);
	} else {
		snprintf(error, sizeof error, "credential plugin %.200s: %s%s%s%s%.300s",
			run->config->command, why, run->errors_len > 0 ? ": " : "", run->errors,
			hint ? "; " : "", hint ? hint : "");
		run->done(run->user, NULL, error);
	}
	free(run->output);
	free(run);
}

static void handle_closed(uv_handle_t *handle)
{
	struct exec_run *run = handle->data;

	if (--run->open == 0)
		run_end(run);
}

static void run_close(struct exec_run *run)
{
	uv_handle_t *const handles[] = {(uv_handle_t *)&run->process, (uv_handle_t *)&run->out_pipe,
		(uv_handle_t *)&run->err_pipe, (uv_handle_t *)&run->timer};

	if (run->closing)
		return;
	run->closing = true;
	for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
		uv_close(handles[i], handle_closed);
}

/* End it for a reason of ours. A run whose program still lives is closed by its
 * exit callback: a killed child must be waited for, or it stays as a zombie. */
static void run_kill(struct exec_run *run, const char *why)
{
	if (!run->why[0])
		snprintf(run->why, sizeof run->why, "%s", why);
	if (!run->running) {
		run_close(run);
		return;
	}
	/* Detached, so that it leads a process group: its children go too. */
	if (kill(-run->process.pid, SIGKILL) < 0)
		uv_process_kill(&run->process, SIGKILL);
}

/* ---- callbacks ---- */

static void timer_due(uv_timer_t *timer)
{
	struct exec_run *run = timer->data;

	if (run->running)
		run_kill(run, "it took too long and was ended");
	else
		run_close(run);
}

static void process_exited(uv_process_t *process, int64_t status, int signal)
{
	struct exec_run *run = process->data;

	run->running = false;
	run->exit_status = status;
	run->exit_signal = signal;
	if (run->reading == 0 || run->why[0])
		run_close(run);
	else
		uv_timer_start(&run->timer, timer_due, DRAIN_MS, 0);
}

static void buffer_get(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	*buf = uv_buf_init(malloc(suggested), (unsigned)suggested);
	(void)handle;
}

static void output_add(struct exec_run *run, const char *bytes, size_t len)
{
	char *grown;

	if (run->why[0])
		return;
	if (run->output_len + len > EXEC_OUTPUT_MAX) {
		run_kill(run, "it printed more than 1 MiB and was ended");
		return;
	}
	grown = realloc(run->output, run->output_len + len);
	if (!grown) {
		run_kill(run, "out of memory");
		return;
	}
	memcpy(grown + run->output_len, bytes, len);
	run->output = grown;
	run->output_len += len;
}

static void errors_add(struct exec_run *run, const char *bytes, size_t len)
{
	size_t room = sizeof run->errors - 1 - run->errors_len;

	if (len > room)
		len = room;
	memcpy(run->errors + run->errors_len, bytes, len);
	run->errors_len += len;
}

static void pipe_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
	struct exec_run *run = stream->data;

	if (got > 0 && stream == (uv_stream_t *)&run->out_pipe)
		output_add(run, buf->base, (size_t)got);
	else if (got > 0)
		errors_add(run, buf->base, (size_t)got);
	free(buf->base);
	if (got >= 0 || run->closing)
		return;
	/* Half of an answer must not be taken for one. */
	if (got != UV_EOF && stream == (uv_stream_t *)&run->out_pipe)
		run_kill(run, got == UV_ENOBUFS ? "out of memory" : uv_strerror((int)got));
	uv_read_stop(stream);
	run->reading--;
	if (run->reading == 0 && !run->running)
		run_close(run);
}

/* ---- starting ---- */

static void strings_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

static size_t strings_count(char *const *list)
{
	size_t count = 0;

	while (list && list[count])
		count++;
	return count;
}

/* Set "NAME=value", in place of what has that name. */
static int env_set(char **env, size_t *count, const char *entry)
{
	size_t name_len = strcspn(entry, "=") + 1;
	char *copy = strdup(entry);

	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < *count; i++) {
		if (strncmp(env[i], entry, name_len) != 0)
			continue;
		free(env[i]);
		env[i] = copy;
		return 0;
	}
	env[(*count)++] = copy;
	return 0;
}

/* Ours, the plugin's additions, KUBERNETES_EXEC_INFO. NULL: out of memory. */
static char **env_make(const struct exec_config *config)
{
	static const char name[] = "KUBERNETES_EXEC_INFO=";
	size_t count = 0, info_len = sizeof name + strlen(config->info);
	char **env = calloc(strings_count(environ) + strings_count(config->env) + 2, sizeof *env);
	char *info = malloc(info_len);
	int rc = env && info ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && environ[i]; i++)
		rc = env_set(env, &count, environ[i]);
	for (size_t i = 0; rc == 0 && config->env && config->env[i]; i++)
		rc = env_set(env, &count, config->env[i]);
	if (rc == 0) {
		snprintf(info, info_len, "%s%s", name, config->info);
		rc = env_set(env, &count, info);
	}
	free(info);
	if (rc == 0)
		return env;
	strings_free(env);
	return NULL;
}

static int run_spawn(struct exec_run *run, char **args, char **env)
{
	uv_stdio_container_t stdio[3] = {
		{.flags = UV_IGNORE},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE},
	};
	const uv_process_options_t options = {
		.exit_cb = process_exited,
		.file = run->config->command,
		.args = args,
		.env = env,
		.flags = UV_PROCESS_DETACHED,
		.stdio_count = 3,
		.stdio = stdio,
	};
	int rc;

	stdio[1].data.stream = (uv_stream_t *)&run->out_pipe;
	stdio[2].data.stream = (uv_stream_t *)&run->err_pipe;
	rc = uv_spawn(run->timer.loop, &run->process, &options);
	if (rc < 0)
		return rc;
	run->running = true;
	run->reading = 2;
	uv_read_start((uv_stream_t *)&run->out_pipe, buffer_get, pipe_read);
	uv_read_start((uv_stream_t *)&run->err_pipe, buffer_get, pipe_read);
	return 0;
}

int exec_start(struct uv_loop_s *loop, const struct exec_config *config, unsigned timeout_ms,
	void (*done)(void *user, struct credential *credential, const char *error), void *user,
	struct exec_run **out)
{
	size_t arg_count = strings_count(config->args);
	struct exec_run *run = calloc(1, sizeof *run);
	char **args = calloc(arg_count + 2, sizeof *args);
	char **env = env_make(config);
	int rc;

	if (!run || !args || !env) {
		free(run);
		free(args);
		strings_free(env);
		return -ENOMEM;
	}
	run->config = config;
	run->done = done;
	run->user = user;
	args[0] = config->command;
	for (size_t i = 0; i < arg_count; i++)
		args[i + 1] = config->args[i];
	uv_timer_init(loop, &run->timer);
	uv_pipe_init(loop, &run->out_pipe, 0);
	uv_pipe_init(loop, &run->err_pipe, 0);
	run->timer.data = run->out_pipe.data = run->err_pipe.data = run->process.data = run;
	run->open = 4;
	rc = run_spawn(run, args, env);
	free(args);
	strings_free(env);
	if (rc < 0) {
		snprintf(run->why, sizeof run->why, "cannot be started: %s", uv_strerror(rc));
		run_close(run);
	} else {
		uv_timer_start(&run->timer, timer_due, timeout_ms, 0);
	}
	*out = run;
	return 0;
}

void exec_stop(struct exec_run *run)
{
	run_kill(run, "stopped");
}
