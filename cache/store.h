/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_STORE_H
#define BINNACLE_CACHE_STORE_H

/* The current objects: one writer (the control loop), no readers. Joins Services
 * with their slices and says which keys are dirty: whose names must be compiled
 * again.
 *
 *	space   "shop"      known (a Namespace object) or used by Services
 *	owner   "web.shop"  Service object or NULL -> slice -> slice -> ...
 *	slice   "shop/web-x7k2p"  its object, its owner
 *
 * An owner exists while it has a Service, a slice, or names in the index; so
 * slices that come before their Service wait at its owner. Owners and spaces are
 * keyed by the index key of their name, letters folded.
 *
 * ServiceImports and their slices are kept like Services and theirs, under keys of
 * their own (owner_is_import()), so that a Service and an import of one name never
 * meet. A namespace is both's.
 *
 * Mark and sweep: begin raises the kind's generation, an upsert stamps the
 * record, end removes what has an older stamp. Never a second copy.
 *
 * Whoever has no valid name for DNS, or is in a namespace that is not served, is
 * dropped at the door; so is a slice of such a Service.
 *
 * Pods are told to `pods`, which keeps of them what it needs (pods.h); where there
 * is none they are let go.
 *
 * The store owns the objects. A replaced object is freed at once: only the
 * writer ever looks at it.
 */

#include "index.h"
#include "pods.h"
#include "table.h"
#include "watch/object.h"

/* A Service's relative name is at most two labels of 64 bytes and 03 s v c. */
#define OWNER_KEY_MAX 132

/* The last label of an import's key, in letters that no question has: what is asked
 * is folded before it is looked up. */
#define IMPORT_LABEL "\3SVC"

struct slice_record {
	struct table_link link;
	struct slice_record *next; /* of the same owner */
	struct owner *owner;
	struct endpoint_slice *object;
	uint32_t generation;
};

struct space {
	struct table_link link;
	struct space *dirty_next;
	struct node *node; /* compile's: held while known or used */
	uint32_t services;
	uint32_t generation;
	bool known;
	bool dirty;
	uint8_t key_len;
	uint8_t key[];
};

struct owner {
	struct table_link link;
	struct owner *dirty_next;
	struct service *service; /* or the import: KIND_IMPORT */
	struct slice_record *slices;
	struct space *space; /* set while service is */
	struct node *node;   /* compile's: what is published for it */
	uint32_t generation;
	bool dirty;
	bool holds_own; /* one of this server's addresses is an endpoint here */
	uint8_t key_len;
	uint8_t key[];
};

static inline bool owner_is_import(const struct owner *owner)
{
	return owner->key[owner->key_len - 1] == 'C';
}

struct store_kind {
	uint64_t version; /* of the last change that DNS sees (serial.h) */
	uint64_t count;   /* objects held */
	uint32_t generation;
	bool replacing;
	bool list_changed; /* the list under way has changed something */
	bool complete;     /* a first complete list is in */
};

struct store {
	struct table owners, spaces, slices;
	struct owner *dirty_owners;
	struct space *dirty_spaces;
	struct store_kind kinds[KIND_COUNT];
	const char *const *namespaces; /* NULL-terminated; NULL: all */
	bool strict;                   /* a namespace that comes or goes dirties what is in it */
	struct pods *pods;             /* set after store_init(); NULL: none are kept */
	uint64_t endpoints;
	uint64_t refused; /* objects without a valid name, since the start */
	uint64_t bytes;   /* of objects and records, tables left out */
	bool changed;     /* something that DNS sees, since the caller cleared it */
	uint8_t secret[16];
};

/* 0 or -ENOMEM. namespaces must live as long as the store. */
int store_init(struct store *store, const uint8_t secret[16], const char *const *namespaces);
void store_free(struct store *store); /* a zeroed store is allowed */

/* As in watch/sink.h. */
void store_begin(struct store *store, enum object_kind kind);
int store_upsert(struct store *store, struct object *object);
void store_remove(struct store *store, enum object_kind kind, const char *ns, const char *name,
	uint64_t version);
void store_end(struct store *store, enum object_kind kind, uint64_t version);
void store_abort(struct store *store, enum object_kind kind);

/* NULL: there is none. */
const struct service *store_service(const struct store *store, const char *ns, const char *name);

/* The next dirty key, which is clean from now on; NULL: none. */
struct owner *store_take_owner(struct store *store);
struct space *store_take_space(struct store *store);
/* Dirty (again). */
void store_mark_owner(struct store *store, struct owner *owner);
void store_mark_space(struct store *store, struct space *space);
/* Free the record if nothing needs it any more. */
void store_put_owner(struct store *store, struct owner *owner);
void store_put_space(struct store *store, struct space *space);

uint64_t store_bytes(const struct store *store);

#endif
