/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_DECODE_H
#define BINNACLE_WATCH_DECODE_H

/* One document, JSON or protobuf, to one object. A row per API resource; the only place that
 * knows the API's field names. cJSON trees never outlive a call.
 */

#include "document.h"
#include "object.h"

struct cJSON;

/* The API's resources. Three of them are the same kind to us, and one is two kinds. */
enum resource {
	RESOURCE_NAMESPACES,
	RESOURCE_SERVICES,
	RESOURCE_SLICES,         /* discovery.k8s.io/v1 */
	RESOURCE_SLICES_V1BETA1, /* discovery.k8s.io/v1beta1 */
	RESOURCE_ENDPOINTS,      /* core v1 Endpoints */
	RESOURCE_PODS,
	RESOURCE_IMPORTS,       /* multicluster.x-k8s.io/v1alpha1, a CRD: may be absent */
	RESOURCE_IMPORT_SLICES, /* discovery.k8s.io/v1, those of imports */
	RESOURCE_COUNT
};

struct resource_info {
	enum object_kind kind;
	const char *path;           /* "/apis/discovery.k8s.io/v1/endpointslices" */
	const char *api_version;    /* "discovery.k8s.io/v1" */
	const char *api_kind;       /* "EndpointSlice" */
	const char *field_selector; /* NULL: none */
	const char *label_selector; /* NULL: none; beside the one that is asked for */
	bool optional;              /* a server without it has none of these objects */
};
extern const struct resource_info resource_table[RESOURCE_COUNT];

enum decode_result {
	DECODE_OK,
	DECODE_SKIP,    /* valid, but nothing to DNS (FQDN slice, slice of no Service, a
			 * leader-election Endpoints object, ...) */
	DECODE_INVALID, /* an object that cannot be used; why says it */
	DECODE_SYNTAX,  /* not JSON, or no such message */
	DECODE_NOMEM
};

/* Which import a slice belongs to. */
#define DECODE_IMPORT_LABEL "multicluster.kubernetes.io/service-name"

#define DECODE_WHY_MAX 256

/* How to read an object; NULL where a function takes one: all false. */
struct decode_options {
	/* Who wrote the object may name any address (a manifest: 127.0.0.1 is what a
	 * laptop wants). Else what today's API server refuses is left out, because an
	 * older one took it, and a tenant could make names of ours point there:
	 * unspecified, loopback, link-local, multicast and broadcast addresses, and
	 * IPv4-mapped IPv6 texts. */
	bool trusted;
	/* An endpoint without a hostname has the name of what it stands for (targetRef, a
	 * Pod's), if it can be a label by its length: CoreDNS's endpoint_pod_names. */
	bool pod_names;
	/* Keep the topology zones of endpoints. */
	bool zones;
	/* Keep the addresses and names that Services have outside of the cluster. */
	bool externals;
	/* Where to put when the endpoints of a slice have last changed, as its annotation
	 * says (trigger.h), 0 where it does not; NULL: nowhere. */
	int64_t *triggered_ns;
};

/* What only some options read. */
enum decode_part { DECODE_POD_NAMES = 1, DECODE_ZONES = 2, DECODE_EXTERNALS = 4 };

unsigned decode_parts(const struct decode_options *options);

/* One object (an item of a list, or an event's object). On INVALID, name and ns
 * of the object are in why as far as they were readable; on OK why is "", or
 * says which address was left out because it is none, or none to be used. An
 * object whose addresses are all like that is INVALID. A namespaced object without
 * metadata.namespace is INVALID too: a manifest's default namespace is its
 * reader's business. */
enum decode_result decode_object(enum resource resource, const struct document *document,
	const struct decode_options *options, struct object **out, char why[DECODE_WHY_MAX]);
/* The same from a tree that somebody else built (manifests). */
enum decode_result decode_tree(enum resource resource, const struct cJSON *tree,
	const struct decode_options *options, struct object **out, char why[DECODE_WHY_MAX]);

/* metadata and identity only, for deletes and for SKIPped objects: ns, name and
 * version in an object of the resource's kind with nothing else set (a slice's
 * service is NULL here). */
enum decode_result decode_identity(enum resource resource, const struct document *document,
	struct object **out, char why[DECODE_WHY_MAX]);

/* A Status object, or the metadata of a list or bookmark. */
struct decode_meta {
	uint64_t version;
	bool initial_events_end; /* the k8s.io/initial-events-end annotation */
	char *continue_token;    /* NULL: none; free() */
	int code;                /* Status */
	char reason[64];
	char message[512];
	int retry_after_s;      /* Status.details.retryAfterSeconds; -1: none */
	bool too_large_version; /* cause ResourceVersionTooLarge, or the message says so */
};
/* document: a list's metadata by itself, or a whole object with metadata in it (a
 * bookmark, a Status). out is untouched unless the result is OK. */
enum decode_result decode_meta(const struct document *document, struct decode_meta *out);

/* An APIResourceList (GET /apis/GROUP/VERSION): is a resource of this name in it?
 * OK, SKIP (no such resource), INVALID (not an APIResourceList), SYNTAX, NOMEM. */
enum decode_result decode_offers(const char *json, size_t len, const char *name);

#endif
