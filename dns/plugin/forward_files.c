/* SPDX-License-Identifier: Apache-2.0 */
/* Upstreams that stand in files in the form of resolv.conf: read at the start, and again
 * when a file changes (a node's resolv.conf does, when its network does).
 *
 *	changed -> read -> the targets differ -> upstreams made here -> job on the loop
 *	thread: those with the same address stay, with what is known of them
 *
 * A file that cannot be read, or names nobody, changes nothing. */

#include "forward.h"

#include "dns/observe/log.h"
#include "resolv_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 5000

struct forward_file {
	uv_fs_poll_t poll;
	struct forward_files *files;
	struct forward_line *line;
	const char *path;
};

struct forward_files {
	struct forward *forward;
	struct forward_file *items;
	size_t count, open;
	void (*done)(void *user);
	void *user;
};

static void target_set(struct forward_target *target, const struct value_address *address)
{
	*target = (struct forward_target){0};
	if (address->family == AF_INET) {
		target->address.v4.sin_family = AF_INET;
		target->address.v4.sin_port = htons(53);
		memcpy(&target->address.v4.sin_addr, address->bytes, 4);
		return;
	}
	target->address.v6.sin6_family = AF_INET6;
	target->address.v6.sin6_port = htons(53);
	target->address.v6.sin6_scope_id = address->scope;
	memcpy(&target->address.v6.sin6_addr, address->bytes, 16);
}

static bool same_target(const struct forward_target *a, const struct forward_target *b)
{
	char left[UPSTREAM_TEXT_MAX], right[UPSTREAM_TEXT_MAX];

	forward_target_text(a, left);
	forward_target_text(b, right);
	return a->tls == b->tls && strcmp(left, right) == 0 &&
	       strcmp(a->server_name, b->server_name) == 0;
}

/* 0, or a negative errno, and which file it was. */
static int targets_read(const struct forward_line *line, struct forward_target *out, size_t *count,
	const char **path)
{
	const struct forward_options *options = &line->options;
	struct resolv_conf *conf = malloc(sizeof *conf);
	int rc = conf ? 0 : -ENOMEM;

	*count = 0;
	for (size_t f = 0; f < options->file_count && rc == 0; f++) {
		*path = options->files[f];
		rc = resolv_conf_read(*path, conf);
		for (size_t i = 0; rc == 0 && i < conf->server_count; i++) {
			if (options->target_count + *count < FORWARD_UPSTREAMS_MAX)
				target_set(&out[(*count)++], &conf->servers[i]);
		}
	}
	free(conf);
	return rc;
}

int forward_files_read(struct forward_line *line, char err[COREFILE_ERROR_MAX])
{
	const char *path = "";
	const int rc = targets_read(line, line->file_targets, &line->file_target_count, &path);

	if (rc < 0)
		return corefile_error(err, &line->options.at,
			"forward: '%s' is neither an address nor a file that can be read (%s); "
			"write IP[:PORT], tls://IP[%%SERVERNAME][:PORT], or the name of a file in "
			"the form of resolv.conf",
			path, strerror(-rc));
	if (!line->file_target_count && !line->options.target_count)
		log_write(LOG_WARNING, "forward",
			"%s:%u:%u: '%s' names no name server; names outside of the cluster are "
			"answered with SERVFAIL until it does",
			line->options.at.file, line->options.at.line, line->options.at.col, path);
	return 0;
}

/* ---- a change ---- */

struct change_job {
	struct worker_job job;
	struct forward_line *line;
	struct upstream *upstreams[FORWARD_UPSTREAMS_MAX];
	unsigned count;
};

static struct upstream *take_same(struct forward_line *line, const struct forward_target *target)
{
	for (unsigned i = 0; i < line->upstream_count; i++) {
		struct upstream *upstream = line->upstreams[i];

		if (upstream && same_target(&upstream->target, target)) {
			line->upstreams[i] = NULL;
			return upstream;
		}
	}
	return NULL;
}

static void on_change(struct worker_job *base, bool cancelled)
{
	struct change_job *change = (struct change_job *)(void *)base;
	struct forward_line *line = change->line;
	struct upstream *gone[FORWARD_UPSTREAMS_MAX];
	bool is_new[FORWARD_UPSTREAMS_MAX] = {false};
	unsigned gone_count;

	for (unsigned i = 0; i < change->count; i++) {
		struct upstream *same = NULL;

		if (!cancelled && line->forward->running)
			same = take_same(line, &change->upstreams[i]->target);
		is_new[i] = !same;
		if (!same)
			continue;
		upstream_unref(change->upstreams[i]);
		change->upstreams[i] = same;
	}
	if (cancelled || !line->forward->running) {
		for (unsigned i = 0; i < change->count; i++)
			upstream_unref(change->upstreams[i]);
		free(change);
		return;
	}
	memcpy(gone, line->upstreams, sizeof gone);
	gone_count = line->upstream_count;
	memcpy(line->upstreams, change->upstreams, sizeof line->upstreams);
	line->upstream_count = change->count;
	for (unsigned i = 0; i < line->upstream_count; i++) {
		if (is_new[i])
			upstream_open(line->upstreams[i]);
		upstream_changed(line->upstreams[i]);
	}
	/* Last: look-ups that lose theirs go on with what the line has then. */
	for (unsigned i = 0; i < gone_count; i++) {
		if (gone[i])
			upstream_close(gone[i]);
	}
	free(change);
}

static void change_post(struct forward_line *line)
{
	struct change_job *change = calloc(1, sizeof *change);
	const struct forward_options *options = &line->options;

	if (!change)
		return;
	change->job.run = on_change;
	change->line = line;
	for (size_t i = 0; i < options->target_count + line->file_target_count; i++) {
		const struct forward_target *target =
			i < options->target_count ? &options->targets[i]
						  : &line->file_targets[i - options->target_count];
		struct upstream *upstream = upstream_new(line, target);

		if (upstream)
			change->upstreams[change->count++] = upstream;
	}
	worker_post(line->forward->worker, &change->job);
}

static void on_poll(uv_fs_poll_t *poll, int status, const uv_stat_t *before, const uv_stat_t *after)
{
	struct forward_file *file = poll->data;
	struct forward_line *line = file->line;
	struct forward_target targets[FORWARD_UPSTREAMS_MAX];
	const char *path = file->path;
	size_t count;
	bool same;
	int rc = status;

	(void)before;
	(void)after;
	if (rc == 0)
		rc = targets_read(line, targets, &count, &path);
	if (rc < 0 || (!count && !line->options.target_count)) {
		log_write(LOG_WARNING, "forward",
			"%s: %s; the upstreams that it named before are asked on", path,
			rc < 0 ? strerror(-rc) : "names no name server");
		return;
	}
	same = count == line->file_target_count;
	for (size_t i = 0; i < count && same; i++)
		same = same_target(&targets[i], &line->file_targets[i]);
	if (same)
		return;
	memcpy(line->file_targets, targets, sizeof targets);
	line->file_target_count = count;
	log_write(LOG_INFO, "forward", "%s has changed; name servers in it now: %zu", path, count);
	change_post(line);
}

/* ---- life ---- */

int forward_files_start(struct forward *forward, struct uv_loop_s *loop)
{
	struct forward_files *files = calloc(1, sizeof *files);
	size_t count = 0;

	for (size_t l = 0; l < forward->line_count; l++)
		count += forward->lines[l].options.file_count;
	if (files)
		files->items = calloc(count + 1, sizeof *files->items);
	if (!files || !files->items) {
		free(files);
		return -ENOMEM;
	}
	files->forward = forward;
	for (size_t l = 0; l < forward->line_count; l++) {
		for (size_t f = 0; f < forward->lines[l].options.file_count; f++) {
			struct forward_file *file = &files->items[files->count];

			file->files = files;
			file->line = &forward->lines[l];
			file->path = file->line->options.files[f];
			if (uv_fs_poll_init(loop, &file->poll) < 0)
				continue;
			file->poll.data = file;
			uv_fs_poll_start(&file->poll, on_poll, file->path, LOOK_MS);
			files->count++;
		}
	}
	forward->files = files;
	return 0;
}

static void files_free(struct forward_files *files)
{
	void (*done)(void *user) = files->done;
	void *user = files->user;

	free(files->items);
	free(files);
	done(user);
}

static void on_closed(uv_handle_t *handle)
{
	struct forward_file *file = handle->data;

	if (--file->files->open == 0)
		files_free(file->files);
}

void forward_files_stop(struct forward *forward, void (*done)(void *user), void *user)
{
	struct forward_files *files = forward->files;

	forward->files = NULL;
	if (!files) {
		done(user);
		return;
	}
	files->done = done;
	files->user = user;
	files->open = files->count;
	if (!files->count) {
		files_free(files);
		return;
	}
	for (size_t i = 0; i < files->count; i++)
		uv_close((uv_handle_t *)&files->items[i].poll, on_closed);
}
