/* SPDX-License-Identifier: Apache-2.0 */
/*	change seen --> (re)start the quiet timer --> it is due --> read all, feed
 *
 * The times of the files are taken before they are read: a write that comes in
 * between differs from them and is seen by the next look. */

#include "manifests.h"

#include "manifest_set.h"
#include "selector.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

static const struct manifests_timing usual_timing = {
	.quiet_ms = 50, .look_ms = 2000, .retry_ms = 5000};

/* The folder that is watched for one of the paths: itself, or a file's own. */
struct folder {
	uv_fs_event_t handle;
	char *path;
	char *file; /* the only name that counts; NULL: as in a folder */
};

struct manifests {
	uv_loop_t *loop;
	struct sink sink;
	struct manifests_timing timing;
	unsigned kinds;
	bool pod_names, zones, externals;
	char **paths;                                   /* NULL-terminated */
	struct selector *selector, *namespace_selector; /* NULL: none */
	struct folder *folders;                         /* one per path */
	size_t folder_count;
	uv_timer_t quiet, look;
	uint64_t signature;          /* of the files when they were last read */
	struct manifest_files files; /* of set */
	struct manifest_set set;     /* read by the start, until the first turn */
	unsigned open;               /* handles not yet closed */
	bool closing;
	void (*done)(void *user);
	void *done_user;

	pthread_mutex_t lock; /* for what follows */
	struct watch_stats stats[KIND_COUNT];
};

static void quiet_due(uv_timer_t *timer);

/* ---- stats ---- */

static void stats_refused(struct manifests *m, uint64_t now_ms)
{
	pthread_mutex_lock(&m->lock);
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		m->stats[kind].failures++;
		m->stats[kind].last_contact_ms = now_ms;
	}
	pthread_mutex_unlock(&m->lock);
}

static void stats_fed(struct manifests *m, enum object_kind kind, uint64_t objects)
{
	struct watch_stats *stats = &m->stats[kind];
	uint64_t refused = 0;

	for (size_t i = 0; i < m->set.refused_count; i++)
		refused += m->set.refused[i].kind == kind;
	pthread_mutex_lock(&m->lock);
	stats->state = WATCH_STATE_WATCHING;
	stats->synced = true;
	stats->objects = objects;
	stats->lists++;
	stats->refused += refused;
	stats->last_contact_ms = uv_now(m->loop);
	pthread_mutex_unlock(&m->lock);
}

void manifests_stats(
	const struct manifests *manifests, enum object_kind kind, struct watch_stats *out)
{
	/* The lock is no part of what a reader sees as constant. */
	struct manifests *m = (struct manifests *)(uintptr_t)manifests;

	pthread_mutex_lock(&m->lock);
	*out = m->stats[kind];
	pthread_mutex_unlock(&m->lock);
}

bool manifests_synced(const struct manifests *manifests)
{
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		struct watch_stats stats;

		manifests_stats(manifests, (enum object_kind)kind, &stats);
		if (manifests->kinds & KIND_BIT(kind) && !stats.synced)
			return false;
	}
	return true;
}

/* ---- reading ---- */

static const char *label_get(void *user, const char *key)
{
	const cJSON *label = cJSON_GetObjectItemCaseSensitive(user, key);

	return cJSON_IsString(label) ? label->valuestring : NULL;
}

static bool labels_select(void *user, enum object_kind kind, const cJSON *labels)
{
	const struct manifests *m = user;
	const struct selector *selector = m->selector;

	if (kind == KIND_NAMESPACE)
		selector = m->namespace_selector;
	else if (kind == KIND_IMPORT)
		selector = NULL;
	/* label_get() only reads. */
	return !selector || selector_match(selector, label_get, (cJSON *)(uintptr_t)labels);
}

/* Into m->files and m->set. 0, or a negative errno with the error; error->file
 * then points into m->paths or m->files. */
static int set_read(struct manifests *m, struct manifest_error *error)
{
	const struct manifest_filter filter = {
		.kinds = m->kinds,
		.pod_names = m->pod_names,
		.zones = m->zones,
		.externals = m->externals,
		.selects = labels_select,
		.user = m,
	};
	int rc = manifest_files_find((const char *const *)m->paths, &m->files, &error->file,
		error->text, sizeof error->text);

	error->line = 0;
	m->signature = rc < 0 ? 0 : m->files.signature;
	if (rc < 0)
		return rc;
	return manifest_set_read(&m->files, &filter, &m->set, error);
}

static void set_drop(struct manifests *m)
{
	manifest_set_clear(&m->set);
	manifest_files_clear(&m->files);
}

/* ---- feeding ---- */

static void event_tell(struct manifests *m, const struct watch_event *event)
{
	if (!m->closing)
		m->sink.event(m->sink.ctx, event);
}

static void refusals_tell(struct manifests *m)
{
	for (size_t i = 0; i < m->set.refused_count && !m->closing; i++) {
		const struct manifest_refused *refused = &m->set.refused[i];
		const struct watch_event event = {
			.type = WATCH_OBJECT_REFUSED,
			.kind = refused->kind,
			.source = refused->file,
			.detail = refused->why,
			.ns = refused->ns,
			.name = refused->name,
			.file = refused->file,
			.line = refused->line,
		};

		event_tell(m, &event);
	}
}

/* One kind as a complete list. 0 or -ENOMEM. */
static int kind_feed(struct manifests *m, enum object_kind kind, size_t *total)
{
	uint64_t objects = 0;
	int rc = 0;

	m->sink.begin_replace(m->sink.ctx, kind);
	for (size_t i = 0; i < m->set.object_count && rc == 0; i++) {
		struct manifest_object *one = &m->set.objects[i];
		struct object *object = one->object;

		if (!object || one->hidden || object->kind != kind)
			continue;
		one->object = NULL;
		objects++;
		rc = m->sink.upsert(m->sink.ctx, object);
	}
	if (rc < 0) {
		m->sink.abort_replace(m->sink.ctx, kind);
		return rc;
	}
	m->sink.end_replace(m->sink.ctx, kind, 0);
	stats_fed(m, kind, objects);
	*total += objects;
	return 0;
}

static void synced_tell(struct manifests *m)
{
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		const struct watch_event event = {.type = WATCH_SYNCED,
			.kind = (enum object_kind)kind,
			.source = m->paths[0]};

		if (m->kinds & KIND_BIT(kind))
			event_tell(m, &event);
	}
}

static void loaded_tell(struct manifests *m, size_t total)
{
	char detail[96];
	const struct watch_event event = {
		.type = WATCH_FILES_LOADED, .source = m->paths[0], .detail = detail};

	snprintf(detail, sizeof detail, "%zu object%s from %zu file%s", total,
		total == 1 ? "" : "s", m->files.count, m->files.count == 1 ? "" : "s");
	event_tell(m, &event);
}

static void retry_later(struct manifests *m)
{
	if (!m->closing)
		uv_timer_start(&m->quiet, quiet_due, m->timing.retry_ms, 0);
}

static void memory_lacks(struct manifests *m)
{
	const struct watch_event event = {.type = WATCH_FILE_REFUSED,
		.source = m->paths[0],
		.file = m->paths[0],
		.detail = "out of memory"};

	event_tell(m, &event);
	retry_later(m);
}

/* Give the sink what was read. */
static void set_feed(struct manifests *m)
{
	size_t total = 0;
	bool first = !manifests_synced(m);
	int rc = 0;

	for (int kind = 0; kind < KIND_COUNT && rc == 0; kind++) {
		if (m->kinds & KIND_BIT(kind))
			rc = kind_feed(m, (enum object_kind)kind, &total);
	}
	m->sink.settle(m->sink.ctx);
	if (rc < 0) {
		memory_lacks(m);
	} else {
		refusals_tell(m);
		if (first)
			synced_tell(m);
		loaded_tell(m, total);
	}
	set_drop(m);
}

/* ---- noticing ---- */

static void change_seen(struct manifests *m)
{
	if (!m->closing)
		uv_timer_start(&m->quiet, quiet_due, m->timing.quiet_ms, 0);
}

/* A mounted ConfigMap swaps the symlink ..data. */
static bool name_counts(const struct folder *folder, const char *name)
{
	const char *own = strrchr(folder->path, '/');

	if (!name || strncmp(name, "..data", 6) == 0)
		return true;
	if (strcmp(name, own ? own + 1 : folder->path) == 0)
		return true; /* the folder itself moved or went away */
	return folder->file ? strcmp(name, folder->file) == 0 : manifest_file_counts(name);
}

static void folder_changed(uv_fs_event_t *handle, const char *name, int events, int status)
{
	struct manifests *m = handle->data;
	const struct folder *folder = (const struct folder *)handle;

	(void)events;
	if (status < 0 || name_counts(folder, name))
		change_seen(m);
}

/* Anew each time, since what stands at a path may be another folder by now. What
 * cannot be watched (no inotify instance left, no such folder) is looked at. */
static void folders_watch(struct manifests *m)
{
	for (size_t i = 0; i < m->folder_count; i++) {
		uv_fs_event_stop(&m->folders[i].handle);
		uv_fs_event_start(&m->folders[i].handle, folder_changed, m->folders[i].path, 0);
	}
}

static void look_due(uv_timer_t *timer)
{
	struct manifests *m = timer->data;
	struct manifest_files files;
	const char *failed;
	char err[160];
	uint64_t signature = 0;

	if (manifest_files_find((const char *const *)m->paths, &files, &failed, err, sizeof err) ==
		0) {
		signature = files.signature;
		manifest_files_clear(&files);
	}
	/* An open quiet timer is not put off: a file that is written all the time
	 * would never be read. */
	if (signature != m->signature && !uv_is_active((uv_handle_t *)&m->quiet))
		change_seen(m);
}

static void quiet_due(uv_timer_t *timer)
{
	struct manifests *m = timer->data;
	struct manifest_error error;
	struct watch_event event = {.type = WATCH_FILE_REFUSED};
	int rc;

	folders_watch(m);
	set_drop(m);
	rc = set_read(m, &error);
	if (rc == 0) {
		set_feed(m);
		return;
	}
	stats_refused(m, uv_now(m->loop));
	event.source = event.file = error.file ? error.file : m->paths[0];
	event.line = error.line;
	event.detail = error.text;
	event_tell(m, &event);
	set_drop(m);
	/* No change on disk will tell when there is memory again. */
	if (rc == -ENOMEM)
		retry_later(m);
}

/* The first turn of the loop after the start. */
static void first_due(uv_timer_t *timer)
{
	struct manifests *m = timer->data;

	set_feed(m);
}

/* ---- life ---- */

static void manifests_free(struct manifests *m)
{
	if (!m)
		return;
	set_drop(m);
	for (size_t i = 0; i < m->folder_count; i++) {
		free(m->folders[i].path);
		free(m->folders[i].file);
	}
	free(m->folders);
	for (size_t i = 0; m->paths && m->paths[i]; i++)
		free(m->paths[i]);
	free(m->paths);
	selector_free(m->selector);
	selector_free(m->namespace_selector);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* Which folder to watch for a path, which may have a slash at its end. */
static int folder_init(struct folder *folder, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct stat st;
	size_t len = strlen(path);

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		while (len > 1 && path[len - 1] == '/')
			len--;
		folder->path = strndup(path, len);
		return folder->path ? 0 : -ENOMEM;
	}
	folder->path =
		!slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
	folder->file = strdup(slash ? slash + 1 : path);
	return folder->path && folder->file ? 0 : -ENOMEM;
}

static int paths_copy(struct manifests *m, const char *const *paths)
{
	size_t count = 0;

	while (paths && paths[count])
		count++;
	if (count == 0)
		return -EINVAL;
	m->paths = calloc(count + 1, sizeof *m->paths);
	m->folders = calloc(count, sizeof *m->folders);
	if (!m->paths || !m->folders)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		m->paths[i] = strdup(paths[i]);
		m->folder_count++;
		if (!m->paths[i] || folder_init(&m->folders[i], paths[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Everything but the handles. */
static int config_take(
	struct manifests *m, const struct watch_config *config, char *err, size_t err_len)
{
	struct manifest_error error;
	int rc = paths_copy(m, config->paths);

	if (rc < 0) {
		snprintf(err, err_len,
			rc == -EINVAL ? "manifests: no path is given" : "out of memory");
		return rc;
	}
	m->kinds = config->kinds;
	m->pod_names = config->endpoint_pod_names;
	m->zones = config->endpoint_zones;
	m->externals = config->service_externals;
	if (config->label_selector)
		rc = selector_parse(config->label_selector, &m->selector, err, err_len);
	if (rc == 0 && config->namespace_selector)
		rc = selector_parse(
			config->namespace_selector, &m->namespace_selector, err, err_len);
	if (rc < 0)
		return rc;
	rc = set_read(m, &error);
	if (rc == 0)
		return 0;
	if (error.line > 0)
		snprintf(err, err_len, "%s:%u: %s", error.file, error.line, error.text);
	else
		snprintf(err, err_len, "%s: %s", error.file ? error.file : m->paths[0], error.text);
	return rc;
}

static void handles_open(struct manifests *m)
{
	uv_timer_init(m->loop, &m->quiet);
	uv_timer_init(m->loop, &m->look);
	m->quiet.data = m->look.data = m;
	for (size_t i = 0; i < m->folder_count; i++) {
		uv_fs_event_init(m->loop, &m->folders[i].handle);
		m->folders[i].handle.data = m;
	}
	m->open = (unsigned)m->folder_count + 2;
	folders_watch(m);
	uv_timer_start(&m->quiet, first_due, 0, 0);
	uv_timer_start(&m->look, look_due, m->timing.look_ms, m->timing.look_ms);
}

int manifests_start(struct uv_loop_s *loop, const struct watch_config *config,
	const struct sink *sink, const struct manifests_timing *timing, struct manifests **out,
	char *err, size_t err_len)
{
	struct manifests *m = calloc(1, sizeof *m);
	int rc;

	if (!m) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	pthread_mutex_init(&m->lock, NULL);
	m->loop = loop;
	m->sink = *sink;
	m->timing = timing ? *timing : usual_timing;
	rc = config_take(m, config, err, err_len);
	if (rc < 0) {
		manifests_free(m);
		return rc;
	}
	for (int kind = 0; kind < KIND_COUNT; kind++)
		m->stats[kind].state =
			m->kinds & KIND_BIT(kind) ? WATCH_STATE_LISTING : WATCH_STATE_OFF;
	handles_open(m);
	*out = m;
	return 0;
}

static void handle_closed(uv_handle_t *handle)
{
	struct manifests *m = handle->data;
	void (*done)(void *user) = m->done;
	void *user = m->done_user;

	if (--m->open > 0)
		return;
	manifests_free(m);
	if (done)
		done(user);
}

void manifests_close(struct manifests *manifests, void (*done)(void *user), void *user)
{
	manifests->closing = true;
	manifests->done = done;
	manifests->done_user = user;
	uv_close((uv_handle_t *)&manifests->quiet, handle_closed);
	uv_close((uv_handle_t *)&manifests->look, handle_closed);
	for (size_t i = 0; i < manifests->folder_count; i++)
		uv_close((uv_handle_t *)&manifests->folders[i].handle, handle_closed);
}
