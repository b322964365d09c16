/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions over files in a folder of the test's own. The sink writes down what it
 * is told; a list of Services reads
 *
 *	services: default/a=10.96.0.1 default/b . settle
 *
 * with "!" instead of "." if it was broken off, and a line per event. */

#include "watch/manifests.h"

#include <errno.h>

#include <cjson/cJSON.h>

#include "nomem.h"
#include "scratch.h"

#include <arpa/inet.h>

#define NEVER_MS 100000000u

/* By inotify alone, by looking alone, and not at all. */
static const struct manifests_timing noticing = {1, NEVER_MS, NEVER_MS};
static const struct manifests_timing looking = {1, 1, NEVER_MS};
static const struct manifests_timing idle = {NEVER_MS / 2, NEVER_MS, NEVER_MS};

struct session {
	struct scratch scratch;
	uv_loop_t loop;
	struct manifests *manifests; /* NULL: none, or closing */
	char paths[3][256];
	const char *path_list[4];
	struct watch_config config;
	bool loaded, file_refused, closed;
	unsigned upserts_left;             /* before one fails; 0: none does */
	enum watch_event_type close_event; /* close when told this, once */
	bool closes;
	char err[512];
	char log[4096];
	size_t used;
};

/* What grows a list fails like realloc(). */
void *reallocarray(void *ptr, size_t count, size_t size)
{
	return realloc(ptr, count * size);
}

/* ---- the sink ---- */

static void say(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct session *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	s->used += (size_t)vsnprintf(s->log + s->used, sizeof s->log - s->used, format, args);
	va_end(args);
	assert_true(s->used < sizeof s->log);
}

static void on_closed(void *user)
{
	((struct session *)user)->closed = true;
}

static void session_close(struct session *s)
{
	manifests_close(s->manifests, on_closed, s);
	s->manifests = NULL;
}

static void sink_begin(void *ctx, enum object_kind kind)
{
	say(ctx, "%s:", object_kind_name(kind));
}

static int sink_upsert(void *ctx, struct object *object)
{
	struct session *s = ctx;
	const struct service *service = (const struct service *)object;
	char text[INET_ADDRSTRLEN];
	const bool fails = s->upserts_left == 1;

	s->upserts_left -= s->upserts_left > 0;
	say(s, " %s/%s", object->ns, object->name);
	if (object->kind == KIND_SERVICE && service->ip_count > 0)
		say(s, "=%s", inet_ntop(AF_INET, service->ips[0].bytes, text, sizeof text));
	object_free(object);
	return fails ? -ENOMEM : 0;
}

static void sink_end(void *ctx, enum object_kind kind, uint64_t version)
{
	(void)kind;
	assert_true(version == 0);
	say(ctx, " .");
}

static void sink_abort(void *ctx, enum object_kind kind)
{
	(void)kind;
	say(ctx, " !");
}

static void sink_settle(void *ctx)
{
	say(ctx, " settle\n");
}

/* The part of a path below the scratch folder. */
static const char *below(const struct session *s, const char *path)
{
	const size_t len = strlen(s->scratch.dir);

	if (!path || strncmp(path, s->scratch.dir, len) != 0)
		return path ? path : "?";
	return path[len] ? path + len + 1 : ".";
}

static void sink_event(void *ctx, const struct watch_event *event)
{
	struct session *s = ctx;

	if (event->type == WATCH_SYNCED) {
		say(s, "SYNCED %s\n", object_kind_name(event->kind));
	} else if (event->type == WATCH_FILES_LOADED) {
		say(s, "LOADED %s\n", event->detail);
		s->loaded = true;
	} else if (event->type == WATCH_OBJECT_REFUSED) {
		say(s, "REFUSED %s %s/%s %s:%u\n", object_kind_name(event->kind), event->ns,
			event->name, below(s, event->file), event->line);
	} else {
		assert_int_equal(event->type, WATCH_FILE_REFUSED);
		say(s, "FILE %s:%u %s\n", below(s, event->file), event->line, event->detail);
		s->file_refused = true;
	}
	assert_non_null(event->source);
	if (s->closes && event->type == s->close_event) {
		s->closes = false;
		session_close(s);
	}
}

/* ---- steps ---- */

static int setup(void **state)
{
	struct session *s = calloc(1, sizeof *s);

	assert_non_null(s);
	scratch_make(&s->scratch);
	uv_loop_init(&s->loop);
	s->config.source = WATCH_MANIFESTS;
	s->config.kinds = KIND_BIT(KIND_SERVICE);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct session *s = *state;

	if (s->manifests) {
		session_close(s);
		loop_run(&s->loop, &s->closed);
	}
	/* No handle is left. */
	assert_int_equal(uv_run(&s->loop, UV_RUN_NOWAIT), 0);
	assert_int_equal(uv_loop_close(&s->loop), 0);
	scratch_remove(&s->scratch);
	free(s);
	return 0;
}

/* paths: up to three names below the scratch folder, blanks between. */
static int start(struct session *s, const char *names, const struct manifests_timing *timing)
{
	const struct sink sink = {
		.ctx = s,
		.begin_replace = sink_begin,
		.upsert = sink_upsert,
		.end_replace = sink_end,
		.abort_replace = sink_abort,
		.settle = sink_settle,
		.event = sink_event,
	};
	size_t count = 0;
	char copy[128], *rest = copy, *name;

	snprintf(copy, sizeof copy, "%s", names);
	while ((name = strsep(&rest, " ")) && count < 3) {
		snprintf(s->paths[count], sizeof s->paths[count], "%s",
			scratch_path(&s->scratch, name));
		s->path_list[count] = s->paths[count];
		count++;
	}
	s->path_list[count] = NULL;
	s->config.paths = s->path_list;
	return manifests_start(
		&s->loop, &s->config, &sink, timing, &s->manifests, s->err, sizeof s->err);
}

static void service_write(struct session *s, const char *file, const char *name, int last)
{
	char text[160];

	snprintf(text, sizeof text,
		"{apiVersion: v1, kind: Service, metadata: {name: %s},"
		" spec: {clusterIP: 10.96.0.%d}}\n",
		name, last);
	scratch_write(&s->scratch, file, text);
}

static void move(struct session *s, const char *from, const char *to)
{
	char path[256];

	snprintf(path, sizeof path, "%s", scratch_path(&s->scratch, from));
	assert_int_equal(rename(path, scratch_path(&s->scratch, to)), 0);
}

static void folder_make(struct session *s, const char *name)
{
	assert_int_equal(mkdir(scratch_path(&s->scratch, name), 0755), 0);
}

static void link_make(struct session *s, const char *target, const char *name)
{
	assert_int_equal(symlink(target, scratch_path(&s->scratch, name)), 0);
}

/* Exactly this has been told since the last time. */
static void assert_told(struct session *s, const char *wanted)
{
	if (strcmp(s->log, wanted) != 0)
		fail_msg("told:\n%snot:\n%s", s->log, wanted);
	s->used = 0;
	s->log[0] = '\0';
	s->loaded = s->file_refused = false;
}

static void assert_loads(struct session *s, const char *wanted)
{
	loop_run(&s->loop, &s->loaded);
	assert_told(s, wanted);
}

static void assert_file_refused(struct session *s, const char *wanted)
{
	loop_run(&s->loop, &s->file_refused);
	assert_told(s, wanted);
}

/* A session over "d" with the Service a in it, loaded. */
static void start_loaded(struct session *s, const struct manifests_timing *timing)
{
	folder_make(s, "d");
	service_write(s, "d/a.yaml", "a", 1);
	assert_int_equal(start(s, "d", timing), 0);
	assert_loads(s, "services: default/a=10.96.0.1 . settle\nSYNCED services\n"
			"LOADED 1 object from 1 file\n");
}

static struct watch_stats stats_of(const struct session *s, enum object_kind kind)
{
	struct watch_stats stats;

	manifests_stats(s->manifests, kind, &stats);
	return stats;
}

/* With idle timing: has what happened on disk been taken for a change? */
static bool change_is_seen(struct session *s)
{
	uv_run(&s->loop, UV_RUN_NOWAIT);
	uv_update_time(&s->loop);
	return uv_backend_timeout(&s->loop) <= (int)idle.quiet_ms;
}

/* ---- the start ---- */

static void test_the_first_list(void **state)
{
	struct session *s = *state;

	s->config.kinds |= KIND_BIT(KIND_NAMESPACE) | KIND_BIT(KIND_SLICE);
	folder_make(s, "d");
	service_write(s, "d/b.yaml", "b", 2);
	service_write(s, "d/a.yaml", "a", 1);
	scratch_write(&s->scratch, "ns.yml",
		"{apiVersion: v1, kind: Namespace, metadata: {name: default}}\n");
	assert_int_equal(start(s, "ns.yml d", &noticing), 0);
	assert_told(s, "");
	assert_false(manifests_synced(s->manifests));
	assert_int_equal(stats_of(s, KIND_SERVICE).state, WATCH_STATE_LISTING);
	assert_int_equal(stats_of(s, KIND_POD).state, WATCH_STATE_OFF);
	assert_loads(s, "namespaces: /default ."
			"services: default/a=10.96.0.1 default/b=10.96.0.2 ."
			"endpointslices: . settle\n"
			"SYNCED namespaces\nSYNCED services\nSYNCED endpointslices\n"
			"LOADED 3 objects from 3 files\n");
	assert_true(manifests_synced(s->manifests));
	assert_int_equal(stats_of(s, KIND_SERVICE).state, WATCH_STATE_WATCHING);
	assert_int_equal(stats_of(s, KIND_SERVICE).objects, 2);
	assert_int_equal(stats_of(s, KIND_SERVICE).lists, 1);
	assert_int_equal(stats_of(s, KIND_SLICE).objects, 0);
	assert_true(stats_of(s, KIND_SLICE).synced);
	assert_int_equal(stats_of(s, KIND_POD).state, WATCH_STATE_OFF);
	assert_false(stats_of(s, KIND_POD).synced);
}

static void test_starts_that_fail(void **state)
{
	struct session *s = *state;
	const struct sink sink = {.ctx = s};
	char wanted[256];

	service_write(s, "a.yaml", "a", 1);
	assert_int_equal(start(s, "a.yaml none/x.yaml", &noticing), -ENOENT);
	snprintf(wanted, sizeof wanted, "%s/none/x.yaml: cannot be read: No such file or directory",
		s->scratch.dir);
	assert_string_equal(s->err, wanted);

	scratch_write(&s->scratch, "bad.yaml", "a: 1\nb: [1\nc: 2\n");
	assert_int_equal(start(s, "a.yaml bad.yaml", &noticing), -EINVAL);
	snprintf(wanted, sizeof wanted, "%s/bad.yaml:3: ", s->scratch.dir);
	assert_says(s->err, wanted);
	assert_says(s->err, "did not find expected");

	s->config.label_selector = "color in (";
	assert_int_equal(start(s, "a.yaml", &noticing), -EINVAL);
	assert_true(s->err[0]);
	s->config.label_selector = "color in (a)";
	s->config.namespace_selector = "team in (";
	assert_int_equal(start(s, "a.yaml", &noticing), -EINVAL);
	assert_true(s->err[0]);
	s->config.label_selector = s->config.namespace_selector = NULL;
	s->config.paths = NULL;
	assert_int_equal(manifests_start(&s->loop, &s->config, &sink, NULL, &s->manifests, s->err,
				 sizeof s->err),
		-EINVAL);
	assert_says(s->err, "no path");
	assert_null(s->manifests);
	assert_told(s, "");
}

static void test_the_usual_timing(void **state)
{
	start_loaded(*state, NULL);
	service_write(*state, "d/a.yaml", "b", 2);
	assert_loads(
		*state, "services: default/b=10.96.0.2 . settle\nLOADED 1 object from 1 file\n");
}

static void test_a_label_selector(void **state)
{
	struct session *s = *state;

	s->config.label_selector = "color=blue";
	s->config.kinds |= KIND_BIT(KIND_NAMESPACE);
	scratch_write(&s->scratch, "a.yaml",
		"{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: red, labels: {color: red}},"
		" spec: {clusterIP: 10.96.0.1}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: blue, labels: {color: blue}},"
		" spec: {clusterIP: 10.96.0.2}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: none},"
		" spec: {clusterIP: 10.96.0.3}}\n");
	assert_int_equal(start(s, "a.yaml", &noticing), 0);
	assert_loads(s, "namespaces: /shop .services: default/blue=10.96.0.2 . settle\n"
			"SYNCED namespaces\nSYNCED services\nLOADED 2 objects from 1 file\n");
	assert_int_equal(stats_of(s, KIND_SERVICE).objects, 1);
}

/* Each kind by the labels it has itself. */
static void test_a_namespace_selector(void **state)
{
	struct session *s = *state;

	s->config.namespace_selector = "team!=b,team";
	s->config.kinds |= KIND_BIT(KIND_NAMESPACE);
	scratch_write(&s->scratch, "a.yaml",
		"{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {team: a}}}\n---\n"
		"{apiVersion: v1, kind: Namespace, metadata: {name: b, labels: {team: b}}}\n---\n"
		"{apiVersion: v1, kind: Namespace, metadata: {name: c}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: red, namespace: b},"
		" spec: {clusterIP: 10.96.0.1}}\n");
	assert_int_equal(start(s, "a.yaml", &noticing), 0);
	assert_loads(s, "namespaces: /a .services: b/red=10.96.0.1 . settle\n"
			"SYNCED namespaces\nSYNCED services\nLOADED 2 objects from 1 file\n");
	assert_int_equal(stats_of(s, KIND_NAMESPACE).objects, 1);
}

/* ---- changes ---- */

static void test_changes_in_a_folder(void **state)
{
	struct session *s = *state;

	start_loaded(s, &noticing);
	service_write(s, "d/a.yaml", "a", 9);
	assert_loads(s, "services: default/a=10.96.0.9 . settle\nLOADED 1 object from 1 file\n");
	service_write(s, "d/b.yaml", "b", 2);
	assert_loads(s, "services: default/a=10.96.0.9 default/b=10.96.0.2 . settle\n"
			"LOADED 2 objects from 2 files\n");
	service_write(s, "new", "c", 3);
	move(s, "new", "d/a.yaml");
	assert_loads(s, "services: default/b=10.96.0.2 default/c=10.96.0.3 . settle\n"
			"LOADED 2 objects from 2 files\n");
	move(s, "d/a.yaml", "d/a.yaml.old");
	assert_loads(s, "services: default/b=10.96.0.2 . settle\nLOADED 1 object from 1 file\n");
	assert_int_equal(unlink(scratch_path(&s->scratch, "d/b.yaml")), 0);
	assert_loads(s, "services: . settle\nLOADED 0 objects from 0 files\n");
	assert_int_equal(stats_of(s, KIND_SERVICE).lists, 6);
	assert_int_equal(stats_of(s, KIND_SERVICE).objects, 0);
	assert_int_equal(stats_of(s, KIND_SERVICE).failures, 0);
}

/* As the kubelet writes a mounted ConfigMap. */
static void configmap_turn(struct session *s, const char *folder, int last)
{
	char name[64];

	snprintf(name, sizeof name, "d/%s", folder);
	folder_make(s, name);
	snprintf(name, sizeof name, "d/%s/a.yaml", folder);
	service_write(s, name, "a", last);
	link_make(s, folder, "d/..data_tmp");
	move(s, "d/..data_tmp", "d/..data");
}

static void test_a_mounted_configmap(void **state)
{
	struct session *s = *state;

	folder_make(s, "d");
	link_make(s, "..data/a.yaml", "d/a.yaml");
	configmap_turn(s, "..1", 1);
	assert_int_equal(start(s, "d", &noticing), 0);
	assert_loads(s, "services: default/a=10.96.0.1 . settle\nSYNCED services\n"
			"LOADED 1 object from 1 file\n");
	configmap_turn(s, "..2", 2);
	assert_loads(s, "services: default/a=10.96.0.2 . settle\nLOADED 1 object from 1 file\n");
	configmap_turn(s, "..3", 3);
	assert_loads(s, "services: default/a=10.96.0.3 . settle\nLOADED 1 object from 1 file\n");
}

/* One file of such a folder, whose own name never changes. */
static void test_a_file_of_a_mounted_configmap(void **state)
{
	struct session *s = *state;

	folder_make(s, "d");
	link_make(s, "..data/a.yaml", "d/a.yaml");
	configmap_turn(s, "..1", 1);
	assert_int_equal(start(s, "d/a.yaml", &noticing), 0);
	assert_loads(s, "services: default/a=10.96.0.1 . settle\nSYNCED services\n"
			"LOADED 1 object from 1 file\n");
	configmap_turn(s, "..2", 2);
	assert_loads(s, "services: default/a=10.96.0.2 . settle\nLOADED 1 object from 1 file\n");
}

/* A symlink above the folder: inotify sees nothing of it, before and after. */
static void test_a_release_is_switched(void **state)
{
	struct session *s = *state;

	for (int i = 1; i <= 2; i++) {
		char name[32];

		snprintf(name, sizeof name, "v%d", i);
		folder_make(s, name);
		snprintf(name, sizeof name, "v%d/d", i);
		folder_make(s, name);
		snprintf(name, sizeof name, "v%d/d/a.yaml", i);
		service_write(s, name, "a", i);
	}
	link_make(s, "v1", "current");
	assert_int_equal(start(s, "current/d/", &looking), 0);
	assert_loads(s, "services: default/a=10.96.0.1 . settle\nSYNCED services\n"
			"LOADED 1 object from 1 file\n");
	link_make(s, "v2", "next");
	move(s, "next", "current");
	assert_loads(s, "services: default/a=10.96.0.2 . settle\nLOADED 1 object from 1 file\n");
	service_write(s, "v2/d/a.yaml", "b", 3);
	assert_loads(s, "services: default/b=10.96.0.3 . settle\nLOADED 1 object from 1 file\n");
}

static void test_a_folder_goes_and_comes_back(void **state)
{
	struct session *s = *state;

	start_loaded(s, &looking);
	move(s, "d", "away");
	assert_file_refused(s, "FILE d:0 cannot be read: No such file or directory\n");
	assert_int_equal(stats_of(s, KIND_SERVICE).failures, 1);
	assert_int_equal(stats_of(s, KIND_SERVICE).objects, 1);
	service_write(s, "away/a.yaml", "b", 2);
	move(s, "away", "d");
	assert_loads(s, "services: default/b=10.96.0.2 . settle\nLOADED 1 object from 1 file\n");
	/* It is watched again. */
	service_write(s, "d/a.yaml", "c", 3);
	assert_loads(s, "services: default/c=10.96.0.3 . settle\nLOADED 1 object from 1 file\n");
}

static void test_what_is_no_change(void **state)
{
	struct session *s = *state;

	start_loaded(s, &idle);
	assert_false(change_is_seen(s));
	scratch_write(&s->scratch, "d/notes.txt", "x");
	scratch_write(&s->scratch, "d/.a.yaml.swp", "x");
	scratch_write(&s->scratch, "beside.yaml", "x");
	assert_false(change_is_seen(s));
	scratch_write(&s->scratch, "d/b.yaml", "");
	assert_true(change_is_seen(s));
	assert_told(s, "");
}

static void test_beside_a_file_is_no_change(void **state)
{
	struct session *s = *state;

	service_write(s, "a.conf", "a", 1);
	assert_int_equal(start(s, "a.conf", &idle), 0);
	assert_loads(s, "services: default/a=10.96.0.1 . settle\nSYNCED services\n"
			"LOADED 1 object from 1 file\n");
	service_write(s, "b.yaml", "b", 1);
	assert_false(change_is_seen(s));
	service_write(s, "a.conf", "b", 1);
	assert_true(change_is_seen(s));
}

static void test_a_path_without_a_folder(void **state)
{
	struct session *s = *state;
	const char *const paths[] = {"a.yaml", NULL};
	const struct sink sink = {.ctx = s,
		.begin_replace = sink_begin,
		.upsert = sink_upsert,
		.end_replace = sink_end,
		.settle = sink_settle,
		.event = sink_event};
	char before[1024];

	assert_non_null(getcwd(before, sizeof before));
	assert_int_equal(chdir(s->scratch.dir), 0);
	service_write(s, "a.yaml", "a", 1);
	s->config.paths = paths;
	assert_int_equal(manifests_start(&s->loop, &s->config, &sink, &noticing, &s->manifests,
				 s->err, sizeof s->err),
		0);
	assert_loads(s, "services: default/a=10.96.0.1 . settle\nSYNCED services\n"
			"LOADED 1 object from 1 file\n");
	service_write(s, "a.yaml", "a", 2);
	assert_loads(s, "services: default/a=10.96.0.2 . settle\nLOADED 1 object from 1 file\n");
	assert_int_equal(chdir(before), 0);
}

/* ---- mistakes ---- */

static void test_a_mistake_changes_nothing(void **state)
{
	struct session *s = *state;

	start_loaded(s, &noticing);
	service_write(s, "d/a.yaml", "a", 9);
	scratch_write(&s->scratch, "d/b.yaml", "a: 1\n---\na: 'x'\na: 'y'\n");
	assert_file_refused(s, "FILE d/b.yaml:4 the key 'a' appears twice in one mapping\n");
	assert_true(manifests_synced(s->manifests));
	assert_int_equal(stats_of(s, KIND_SERVICE).failures, 1);
	assert_int_equal(stats_of(s, KIND_SERVICE).lists, 1);
	assert_int_equal(stats_of(s, KIND_SERVICE).objects, 1);
	service_write(s, "d/b.yaml", "b", 2);
	assert_loads(s, "services: default/a=10.96.0.9 default/b=10.96.0.2 . settle\n"
			"LOADED 2 objects from 2 files\n");
	assert_int_equal(stats_of(s, KIND_SERVICE).failures, 1);
}

static void test_an_object_is_refused(void **state)
{
	struct session *s = *state;

	start_loaded(s, &noticing);
	scratch_write(&s->scratch, "d/b.yaml",
		"# one\n---\n{apiVersion: v1, kind: Service, metadata: {name: bad},"
		" spec: {clusterIP: x}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: b},"
		" spec: {clusterIP: 10.96.0.2}}\n");
	assert_loads(s, "services: default/a=10.96.0.1 default/b=10.96.0.2 . settle\n"
			"REFUSED services default/bad d/b.yaml:3\n"
			"LOADED 2 objects from 2 files\n");
	assert_int_equal(stats_of(s, KIND_SERVICE).refused, 1);
	assert_int_equal(stats_of(s, KIND_NAMESPACE).refused, 0);
}

/* ---- no memory ---- */

static void test_a_sink_without_memory(void **state)
{
	struct session *s = *state;
	static const struct manifests_timing timing = {NEVER_MS, NEVER_MS, 200};

	s->config.kinds |= KIND_BIT(KIND_NAMESPACE);
	s->upserts_left = 2;
	service_write(s, "a.yaml", "a", 1);
	service_write(s, "b.yaml", "b", 2);
	service_write(s, "c.yaml", "c", 3);
	assert_int_equal(start(s, "a.yaml b.yaml c.yaml", &timing), 0);
	assert_file_refused(s, "namespaces: .services: default/a=10.96.0.1 default/b=10.96.0.2 !"
			       " settle\nFILE a.yaml:0 out of memory\n");
	assert_false(manifests_synced(s->manifests));
	assert_loads(s, "namespaces: ."
			"services: default/a=10.96.0.1 default/b=10.96.0.2 default/c=10.96.0.3 ."
			" settle\nSYNCED namespaces\nSYNCED services\n"
			"LOADED 3 objects from 3 files\n");
}

static void test_a_start_without_memory(void **state)
{
	struct session *s = *state;
	cJSON_Hooks hooks = {.malloc_fn = malloc, .free_fn = free};
	unsigned nth = 0;
	int rc;

	folder_make(s, "d");
	service_write(s, "d/a.yaml", "a", 1);
	s->config.label_selector = "color!=red";
	s->config.namespace_selector = "team=a";
	cJSON_InitHooks(&hooks);
	do {
		nomem_at(++nth);
		rc = start(s, "d d/a.yaml", &noticing);
		nomem_at(0);
		if (rc < 0 &&
			(rc != -ENOMEM || !strstr(s->err, "emory") || uv_loop_alive(&s->loop)))
			fail_msg("allocation %u: %d, %s", nth, rc, s->err);
	} while (rc < 0);
	cJSON_InitHooks(NULL);
	assert_true(nth > 30);
}

/* What was not read for want of memory is read a little later by itself. */
static void test_a_reading_without_memory(void **state)
{
	struct session *s = *state;
	static const struct manifests_timing timing = {1, NEVER_MS, 1};
	cJSON_Hooks hooks = {.malloc_fn = malloc, .free_fn = free};
	unsigned failed = 0;
	bool went_through;

	start_loaded(s, &timing);
	cJSON_InitHooks(&hooks);
	do {
		service_write(s, "d/a.yaml", "a", (int)(failed % 200) + 2);
		nomem_at(failed + 1);
		loop_run(&s->loop, &s->loaded);
		nomem_at(0);
		went_through = !s->file_refused;
		if (!went_through) {
			assert_true(strncmp(s->log, "FILE ", 5) == 0);
			assert_says(s->log, "emory");
			failed++;
		}
		assert_says(s->log, "services: default/a=");
		s->used = 0;
		s->loaded = s->file_refused = false;
	} while (!went_through);
	cJSON_InitHooks(NULL);
	assert_true(failed > 10);
	assert_int_equal(stats_of(s, KIND_SERVICE).failures, failed);
}

/* ---- the end ---- */

static void test_close_before_the_first_turn(void **state)
{
	struct session *s = *state;

	service_write(s, "a.yaml", "a", 1);
	assert_int_equal(start(s, "a.yaml", &noticing), 0);
	session_close(s);
	assert_false(s->closed);
	loop_run(&s->loop, &s->closed);
	assert_told(s, "");
}

static void test_close_while_a_change_waits(void **state)
{
	struct session *s = *state;

	start_loaded(s, &idle);
	service_write(s, "d/a.yaml", "b", 2);
	assert_true(change_is_seen(s));
	session_close(s);
	loop_run(&s->loop, &s->closed);
	assert_told(s, "");
}

static void test_close_without_a_callback(void **state)
{
	struct session *s = *state;

	start_loaded(s, &noticing);
	manifests_close(s->manifests, NULL, NULL);
	s->manifests = NULL;
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_told(s, "");
}

/* Any event may be the last that is told. */
static void test_close_from_the_sink(void **state)
{
	struct session *s = *state;

	s->closes = true;
	s->close_event = WATCH_OBJECT_REFUSED;
	scratch_write(&s->scratch, "a.yaml",
		"{apiVersion: v1, kind: Service, metadata: {name: bad}, spec: {clusterIP: "
		"x}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: too}, spec: {clusterIP: x}}\n");
	assert_int_equal(start(s, "a.yaml", &noticing), 0);
	loop_run(&s->loop, &s->closed);
	assert_told(s, "services: . settle\nREFUSED services default/bad a.yaml:1\n");

	s->closed = false;
	s->closes = true;
	s->close_event = WATCH_FILE_REFUSED;
	s->upserts_left = 1;
	service_write(s, "a.yaml", "a", 1);
	assert_int_equal(start(s, "a.yaml", &noticing), 0);
	loop_run(&s->loop, &s->closed);
	assert_told(s, "services: default/a=10.96.0.1 ! settle\nFILE a.yaml:0 out of memory\n");

	s->closed = false;
	s->closes = true;
	start_loaded(s, &noticing);
	scratch_write(&s->scratch, "d/a.yaml", "- x");
	loop_run(&s->loop, &s->closed);
	assert_told(s, "FILE d/a.yaml:1 not a Kubernetes object"
		       " (a mapping with apiVersion and kind)\n");
}

#define SESSION_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SESSION_TEST(test_the_first_list),
		SESSION_TEST(test_starts_that_fail),
		SESSION_TEST(test_the_usual_timing),
		SESSION_TEST(test_a_label_selector),
		SESSION_TEST(test_a_namespace_selector),
		SESSION_TEST(test_changes_in_a_folder),
		SESSION_TEST(test_a_mounted_configmap),
		SESSION_TEST(test_a_file_of_a_mounted_configmap),
		SESSION_TEST(test_a_release_is_switched),
		SESSION_TEST(test_a_folder_goes_and_comes_back),
		SESSION_TEST(test_what_is_no_change),
		SESSION_TEST(test_beside_a_file_is_no_change),
		SESSION_TEST(test_a_path_without_a_folder),
		SESSION_TEST(test_a_mistake_changes_nothing),
		SESSION_TEST(test_an_object_is_refused),
		SESSION_TEST(test_a_sink_without_memory),
		SESSION_TEST(test_a_start_without_memory),
		SESSION_TEST(test_a_reading_without_memory),
		SESSION_TEST(test_close_before_the_first_turn),
		SESSION_TEST(test_close_while_a_change_waits),
		SESSION_TEST(test_close_without_a_callback),
		SESSION_TEST(test_close_from_the_sink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
