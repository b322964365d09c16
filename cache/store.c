/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RECORD(link, type) ((struct type *)(void *)(link)) /* the link comes first */

static const char svc_label[] = {3, 's', 'v', 'c'};

/* Append a folded label; 0 (and nothing appended) if the text is none. */
static size_t put_label(uint8_t *at, const char *text)
{
	const size_t len = strnlen(text, NAME_MAX_LABEL + 1);

	if (!name_label_is_host(text, len))
		return 0;
	at[0] = (uint8_t)len;
	name_lower(at + 1, (const uint8_t *)text, len);
	return len + 1;
}

/* The index key of a namespace; its length, 0: not a valid name. */
static size_t space_key(const char *ns, uint8_t *out)
{
	const size_t len = put_label(out, ns);

	if (!len)
		return 0;
	memcpy(out + len, svc_label, sizeof svc_label);
	return len + sizeof svc_label;
}

/* kind: of the owner's object. */
static size_t owner_key(
	enum object_kind kind, const char *ns, const char *name, uint8_t out[OWNER_KEY_MAX])
{
	const size_t len = put_label(out, name);
	const size_t rest = len ? space_key(ns, out + len) : 0;

	if (rest && kind == KIND_IMPORT)
		memcpy(out + len + rest - sizeof svc_label, IMPORT_LABEL, sizeof svc_label);
	return rest ? len + rest : 0;
}

static uint32_t hash_of(const struct store *store, const void *data, size_t len)
{
	return (uint32_t)name_hash(data, len, store->secret);
}

static bool admitted(const struct store *store, const char *ns)
{
	if (!store->namespaces)
		return true;
	for (const char *const *at = store->namespaces; *at; at++) {
		if (strcasecmp(*at, ns) == 0)
			return true;
	}
	return false;
}

/* What DNS sees of a kind has changed with an object of this version. Inside a
 * list the order of versions means nothing; its own version comes at the end. */
static void note_change(struct store *store, enum object_kind kind, uint64_t version)
{
	struct store_kind *state = &store->kinds[kind];

	store->changed = true;
	if (state->replacing)
		state->list_changed = true;
	if (version && (!state->replacing || version > state->version))
		state->version = version;
}

static void object_in(struct store *store, const struct object *object)
{
	store->kinds[object->kind].count++;
	store->bytes += object->size;
}

static void object_out(struct store *store, struct object *object)
{
	store->kinds[object->kind].count--;
	store->bytes -= object->size;
	object_free(object);
}

/* Owners */

static struct owner *owner_find(const struct store *store, const uint8_t *key, size_t len)
{
	struct table_link *link = table_first(&store->owners, hash_of(store, key, len));

	for (; link; link = table_next(link)) {
		struct owner *owner = RECORD(link, owner);

		if (owner->key_len == len && memcmp(owner->key, key, len) == 0)
			return owner;
	}
	return NULL;
}

static struct owner *owner_get(struct store *store, const uint8_t *key, size_t len)
{
	struct owner *owner = owner_find(store, key, len);

	if (owner)
		return owner;
	owner = calloc(1, sizeof *owner + len);
	if (!owner)
		return NULL;
	owner->key_len = (uint8_t)len;
	memcpy(owner->key, key, len);
	table_add(&store->owners, &owner->link, hash_of(store, key, len));
	store->bytes += sizeof *owner + len;
	return owner;
}

void store_put_owner(struct store *store, struct owner *owner)
{
	if (owner->service || owner->slices || owner->node || owner->dirty)
		return;
	table_remove(&store->owners, &owner->link);
	store->bytes -= sizeof *owner + owner->key_len;
	free(owner);
}

void store_mark_owner(struct store *store, struct owner *owner)
{
	if (owner->dirty)
		return;
	owner->dirty = true;
	owner->dirty_next = store->dirty_owners;
	store->dirty_owners = owner;
}

struct owner *store_take_owner(struct store *store)
{
	struct owner *owner = store->dirty_owners;

	if (owner) {
		store->dirty_owners = owner->dirty_next;
		owner->dirty = false;
	}
	return owner;
}

/* Namespaces */

static struct space *space_find(const struct store *store, const uint8_t *key, size_t len)
{
	struct table_link *link = table_first(&store->spaces, hash_of(store, key, len));

	for (; link; link = table_next(link)) {
		struct space *space = RECORD(link, space);

		if (space->key_len == len && memcmp(space->key, key, len) == 0)
			return space;
	}
	return NULL;
}

static struct space *space_get(struct store *store, const uint8_t *key, size_t len)
{
	struct space *space = space_find(store, key, len);

	if (space)
		return space;
	space = calloc(1, sizeof *space + len);
	if (!space)
		return NULL;
	space->key_len = (uint8_t)len;
	memcpy(space->key, key, len);
	table_add(&store->spaces, &space->link, hash_of(store, key, len));
	store->bytes += sizeof *space + len;
	return space;
}

void store_put_space(struct store *store, struct space *space)
{
	if (space->known || space->services || space->node || space->dirty)
		return;
	table_remove(&store->spaces, &space->link);
	store->bytes -= sizeof *space + space->key_len;
	free(space);
}

void store_mark_space(struct store *store, struct space *space)
{
	if (space->dirty)
		return;
	space->dirty = true;
	space->dirty_next = store->dirty_spaces;
	store->dirty_spaces = space;
}

struct space *store_take_space(struct store *store)
{
	struct space *space = store->dirty_spaces;

	if (space) {
		store->dirty_spaces = space->dirty_next;
		space->dirty = false;
	}
	return space;
}

struct space_visit {
	struct store *store;
	const struct space *space;
};

static void owner_visit(void *user, struct table_link *link)
{
	const struct space_visit *visit = user;
	struct owner *owner = RECORD(link, owner);

	if (owner->space == visit->space)
		store_mark_owner(visit->store, owner);
}

static void space_known(struct store *store, struct space *space, bool known)
{
	struct space_visit visit = {store, space};

	space->known = known;
	store_mark_space(store, space);
	if (store->strict)
		table_each(&store->owners, owner_visit, &visit);
}

/* Nothing but the name is of interest, so the object itself is not kept. */
static int namespace_upsert(struct store *store, struct object *object)
{
	const uint64_t version = object->version;
	uint8_t key[OWNER_KEY_MAX];
	const size_t len = space_key(object->name, key);
	struct space *space;

	if (!len)
		store->refused++;
	if (!len || !admitted(store, object->name)) {
		object_free(object);
		return 0;
	}
	object_free(object);
	space = space_get(store, key, len);
	if (!space)
		return -ENOMEM;
	space->generation = store->kinds[KIND_NAMESPACE].generation;
	if (space->known)
		return 0;
	space_known(store, space, true);
	store->kinds[KIND_NAMESPACE].count++;
	note_change(store, KIND_NAMESPACE, version);
	return 0;
}

static void namespace_drop(struct store *store, struct space *space, uint64_t version)
{
	space_known(store, space, false);
	store->kinds[KIND_NAMESPACE].count--;
	note_change(store, KIND_NAMESPACE, version);
}

static void namespace_remove(struct store *store, enum object_kind kind, const char *ns,
	const char *name, uint64_t version)
{
	uint8_t key[OWNER_KEY_MAX];
	const size_t len = space_key(name, key);
	struct space *space = len ? space_find(store, key, len) : NULL;

	(void)kind;
	(void)ns;
	if (space && space->known)
		namespace_drop(store, space, version);
}

/* Services and imports */

static int service_upsert(struct store *store, struct object *object)
{
	const enum object_kind kind = (enum object_kind)object->kind;
	struct service *fresh = (struct service *)(void *)object;
	uint8_t key[OWNER_KEY_MAX], space[OWNER_KEY_MAX];
	const size_t len = owner_key(kind, object->ns, object->name, key);
	struct owner *owner;

	if (!len)
		store->refused++;
	if (!len || !admitted(store, object->ns)) {
		object_free(object);
		return 0;
	}
	owner = owner_get(store, key, len);
	if (owner && !owner->space)
		owner->space = space_get(store, space, space_key(object->ns, space));
	if (!owner || !owner->space) {
		if (owner)
			store_put_owner(store, owner);
		object_free(object);
		return -ENOMEM;
	}
	owner->generation = store->kinds[kind].generation;
	if (owner->service && object_same(&owner->service->head, object)) {
		owner->service->head.version = object->version;
		object_free(object);
		return 0;
	}
	note_change(store, kind, object->version);
	if (!owner->service && owner->space->services++ == 0)
		store_mark_space(store, owner->space);
	if (owner->service)
		object_out(store, &owner->service->head);
	owner->service = fresh;
	object_in(store, object);
	store_mark_owner(store, owner);
	return 0;
}

static void service_drop(struct store *store, struct owner *owner, uint64_t version)
{
	const enum object_kind kind = (enum object_kind)owner->service->head.kind;

	object_out(store, &owner->service->head);
	owner->service = NULL;
	if (--owner->space->services == 0)
		store_mark_space(store, owner->space);
	owner->space = NULL;
	store_mark_owner(store, owner);
	note_change(store, kind, version);
}

static void service_remove(struct store *store, enum object_kind kind, const char *ns,
	const char *name, uint64_t version)
{
	uint8_t key[OWNER_KEY_MAX];
	const size_t len = owner_key(kind, ns, name, key);
	struct owner *owner = len ? owner_find(store, key, len) : NULL;

	if (owner && owner->service)
		service_drop(store, owner, version);
}

const struct service *store_service(const struct store *store, const char *ns, const char *name)
{
	uint8_t key[OWNER_KEY_MAX];
	const size_t len = owner_key(KIND_SERVICE, ns, name, key);
	const struct owner *owner = len ? owner_find(store, key, len) : NULL;

	return owner ? owner->service : NULL;
}

/* Slices */

static uint32_t slice_hash(const struct store *store, const char *ns, const char *name)
{
	return hash_of(store, ns, strlen(ns)) * 31 + hash_of(store, name, strlen(name));
}

/* One EndpointSlice can be of both kinds at once. */
static struct slice_record *slice_find(
	const struct store *store, enum object_kind kind, const char *ns, const char *name)
{
	struct table_link *link = table_first(&store->slices, slice_hash(store, ns, name));

	for (; link; link = table_next(link)) {
		struct slice_record *slice = RECORD(link, slice_record);

		if (slice->object->head.kind == kind &&
			strcmp(slice->object->head.name, name) == 0 &&
			strcmp(slice->object->head.ns, ns) == 0)
			return slice;
	}
	return NULL;
}

static uint64_t endpoints_of(const struct endpoint_slice *slice)
{
	return (uint64_t)slice->v4_count + slice->v6_count;
}

static void slice_join(struct slice_record *slice, struct owner *owner)
{
	slice->owner = owner;
	slice->next = owner->slices;
	owner->slices = slice;
}

static void slice_leave(struct slice_record *slice)
{
	struct slice_record **at = &slice->owner->slices;

	while (*at != slice)
		at = &(*at)->next;
	*at = slice->next;
}

static void slice_drop(struct store *store, struct slice_record *slice, uint64_t version)
{
	const enum object_kind kind = (enum object_kind)slice->object->head.kind;

	store->endpoints -= endpoints_of(slice->object);
	slice_leave(slice);
	store_mark_owner(store, slice->owner);
	table_remove(&store->slices, &slice->link);
	object_out(store, &slice->object->head);
	store->bytes -= sizeof *slice;
	free(slice);
	note_change(store, kind, version);
}

/* slice takes the object; it is new where it has none. */
static void slice_put(struct store *store, struct slice_record *slice, struct owner *owner,
	struct endpoint_slice *fresh)
{
	note_change(store, (enum object_kind)fresh->head.kind, fresh->head.version);
	if (slice->object) {
		store->endpoints -= endpoints_of(slice->object);
		object_out(store, &slice->object->head);
	} else {
		store->bytes += sizeof *slice;
		table_add(&store->slices, &slice->link,
			slice_hash(store, fresh->head.ns, fresh->head.name));
	}
	slice->object = fresh;
	object_in(store, &fresh->head);
	store->endpoints += endpoints_of(fresh);
	if (slice->owner != owner) {
		if (slice->owner) {
			slice_leave(slice);
			store_mark_owner(store, slice->owner);
		}
		slice_join(slice, owner);
	}
	store_mark_owner(store, owner);
}

static int slice_upsert(struct store *store, struct object *object)
{
	const enum object_kind kind = (enum object_kind)object->kind;
	struct endpoint_slice *fresh = (struct endpoint_slice *)(void *)object;
	struct slice_record *slice = slice_find(store, kind, object->ns, object->name);
	uint8_t key[OWNER_KEY_MAX];
	const size_t len = owner_key(kind == KIND_IMPORT_SLICE ? KIND_IMPORT : KIND_SERVICE,
		object->ns, fresh->service, key);
	struct owner *owner;

	if (!len)
		store->refused++;
	if (!len || !admitted(store, object->ns)) {
		if (slice)
			slice_drop(store, slice, object->version);
		object_free(object);
		return 0;
	}
	if (slice && object_same(&slice->object->head, object)) {
		slice->generation = store->kinds[kind].generation;
		slice->object->head.version = object->version;
		object_free(object);
		return 0;
	}
	owner = owner_get(store, key, len);
	if (owner && !slice)
		slice = calloc(1, sizeof *slice);
	if (!owner || !slice) {
		if (owner)
			store_put_owner(store, owner);
		object_free(object);
		return -ENOMEM;
	}
	slice_put(store, slice, owner, fresh);
	slice->generation = store->kinds[kind].generation;
	return 0;
}

static void slice_remove(struct store *store, enum object_kind kind, const char *ns,
	const char *name, uint64_t version)
{
	struct slice_record *slice = slice_find(store, kind, ns, name);

	if (slice)
		slice_drop(store, slice, version);
}

/* Pods: only their addresses are of interest, and only where names are verified. */

static void pod_gone(struct store *store, uint64_t version)
{
	store->kinds[KIND_POD].count--;
	note_change(store, KIND_POD, version);
}

static void pod_remove(struct store *store, enum object_kind kind, const char *ns, const char *name,
	uint64_t version)
{
	(void)kind;
	uint8_t key[OWNER_KEY_MAX];
	const size_t len = store->pods ? space_key(ns, key) : 0;

	if (len && pods_remove(store->pods, key, len, name))
		pod_gone(store, version);
}

static int pod_keep(struct store *store, const struct pod *pod, const uint8_t *key, size_t len)
{
	struct store_kind *state = &store->kinds[KIND_POD];
	enum pods_change change;
	const int rc = pods_upsert(store->pods, key, len, pod, state->generation, &change);

	if (rc)
		return rc;
	state->count += change == PODS_NEW;
	if (change != PODS_SAME)
		note_change(store, KIND_POD, pod->head.version);
	return 0;
}

static int pod_upsert(struct store *store, struct object *object)
{
	const struct pod *pod = (const struct pod *)(const void *)object;
	uint8_t key[OWNER_KEY_MAX];
	const size_t len = space_key(object->ns, key);
	const bool valid = len && strlen(object->name) <= PODS_NAME_MAX;
	int rc = 0;

	if (!valid)
		store->refused++;
	else if (!pod->ip_count)
		pod_remove(store, KIND_POD, object->ns, object->name, object->version);
	else if (store->pods && admitted(store, object->ns))
		rc = pod_keep(store, pod, key, len);
	object_free(object);
	return rc;
}

/* Kinds */

struct sweep {
	struct store *store;
	enum object_kind kind;
};

static bool is_stale(const struct sweep *sweep, uint32_t generation)
{
	return generation != sweep->store->kinds[sweep->kind].generation;
}

static void namespace_sweep(void *user, struct table_link *link)
{
	const struct sweep *sweep = user;
	struct space *space = RECORD(link, space);

	if (space->known && is_stale(sweep, space->generation))
		namespace_drop(sweep->store, space, 0);
}

static void service_sweep(void *user, struct table_link *link)
{
	const struct sweep *sweep = user;
	struct owner *owner = RECORD(link, owner);

	if (owner->service && owner->service->head.kind == sweep->kind &&
		is_stale(sweep, owner->generation))
		service_drop(sweep->store, owner, 0);
}

static void slice_sweep(void *user, struct table_link *link)
{
	const struct sweep *sweep = user;
	struct slice_record *slice = RECORD(link, slice_record);

	if (slice->object->head.kind == sweep->kind && is_stale(sweep, slice->generation))
		slice_drop(sweep->store, slice, 0);
}

static void pod_sweep(void *user, struct table_link *link)
{
	const struct sweep *sweep = user;

	if (pods_sweep(sweep->store->pods, link, sweep->store->kinds[KIND_POD].generation))
		pod_gone(sweep->store, 0);
}

static const struct kind_row {
	int (*upsert)(struct store *store, struct object *object);
	void (*remove)(struct store *store, enum object_kind kind, const char *ns, const char *name,
		uint64_t version);
	void (*sweep)(void *sweep, struct table_link *link);
} kind_rows[KIND_COUNT] = {
	[KIND_NAMESPACE] = {namespace_upsert, namespace_remove, namespace_sweep},
	[KIND_SERVICE] = {service_upsert, service_remove, service_sweep},
	[KIND_SLICE] = {slice_upsert, slice_remove, slice_sweep},
	[KIND_POD] = {pod_upsert, pod_remove, pod_sweep},
	[KIND_IMPORT] = {service_upsert, service_remove, service_sweep},
	[KIND_IMPORT_SLICE] = {slice_upsert, slice_remove, slice_sweep},
};

/* NULL: nothing of this kind is kept. */
static struct table *table_of(struct store *store, enum object_kind kind)
{
	switch (kind) {
	case KIND_NAMESPACE:
		return &store->spaces;
	case KIND_SERVICE:
	case KIND_IMPORT:
		return &store->owners;
	case KIND_SLICE:
	case KIND_IMPORT_SLICE:
		return &store->slices;
	case KIND_POD:
		return store->pods ? &store->pods->records : NULL;
	case KIND_COUNT:
		break;
	}
	return NULL;
}

int store_init(struct store *store, const uint8_t secret[16], const char *const *namespaces)
{
	*store = (struct store){.namespaces = namespaces};
	memcpy(store->secret, secret, sizeof store->secret);
	if (table_init(&store->owners) || table_init(&store->spaces) ||
		table_init(&store->slices)) {
		store_free(store);
		return -ENOMEM;
	}
	return 0;
}

static void slice_free(void *user, struct table_link *link)
{
	(void)user;
	object_free(&RECORD(link, slice_record)->object->head);
	free(link);
}

static void owner_free(void *user, struct table_link *link)
{
	struct owner *owner = RECORD(link, owner);

	(void)user;
	if (owner->service)
		object_free(&owner->service->head);
	free(owner);
}

static void space_free(void *user, struct table_link *link)
{
	(void)user;
	free(link);
}

void store_free(struct store *store)
{
	table_each(&store->slices, slice_free, NULL);
	table_each(&store->owners, owner_free, NULL);
	table_each(&store->spaces, space_free, NULL);
	table_free(&store->slices);
	table_free(&store->owners);
	table_free(&store->spaces);
}

void store_begin(struct store *store, enum object_kind kind)
{
	struct store_kind *state = &store->kinds[kind];

	state->generation++;
	state->replacing = true;
	state->list_changed = false;
}

int store_upsert(struct store *store, struct object *object)
{
	return kind_rows[object->kind].upsert(store, object);
}

void store_remove(struct store *store, enum object_kind kind, const char *ns, const char *name,
	uint64_t version)
{
	kind_rows[kind].remove(store, kind, ns, name, version);
}

void store_end(struct store *store, enum object_kind kind, uint64_t version)
{
	struct store_kind *state = &store->kinds[kind];
	struct table *table = table_of(store, kind);
	struct sweep sweep = {store, kind};

	if (table)
		table_each(table, kind_rows[kind].sweep, &sweep);
	if (!state->complete || state->list_changed) {
		store->changed = true;
		if (version)
			state->version = version;
	}
	state->complete = true;
	state->replacing = false;
}

void store_abort(struct store *store, enum object_kind kind)
{
	store->kinds[kind].replacing = false;
}

uint64_t store_bytes(const struct store *store)
{
	return store->bytes + table_bytes(&store->owners) + table_bytes(&store->spaces) +
	       table_bytes(&store->slices);
}
