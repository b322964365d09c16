/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_WATCH_H
#define BINNACLE_WATCH_WATCH_H

/* The folder's face: a session that keeps a sink supplied with N kinds, from
 * an API server or from files on disk.
 *
 * Life: watch_start() on the thread of `loop`, any number of loop turns,
 * watch_close(); the memory is released after the close callback. All sink
 * calls come from that loop's thread, and any of them may call watch_close().
 * watch_stats() and watch_synced() may be called from any thread, until
 * watch_close() is.
 */

#include "object.h"
#include "sink.h"

struct uv_loop_s;
struct watch;

enum watch_source {
	WATCH_IN_CLUSTER, /* KUBERNETES_SERVICE_HOST/PORT and the service account's files */
	WATCH_ENDPOINT,   /* an URL, with or without client certificate */
	WATCH_KUBECONFIG, /* a kubeconfig file */
	WATCH_MANIFESTS   /* YAML and JSON files and folders */
};

/* The sessions of a process that share one loop: an API server that cannot be
 * reached costs one connect a second for all of them together. Zeroed at first;
 * outlives the sessions. */
struct watch_peers {
	struct api *first;
};

/* Strings are copied. */
struct watch_config {
	enum watch_source source;
	unsigned kinds;                 /* KIND_BITs to keep */
	const char *label_selector;     /* for services, slices (imported ones too) and pods;
					 * NULL: all */
	const char *namespace_selector; /* for namespaces; NULL: all */
	bool endpoint_pod_names;        /* an endpoint's hostname, if it has none: its Pod's name */
	bool endpoint_zones;            /* keep the topology zones of endpoints */
	bool counted;                   /* tell WATCH_TRIGGERED, _PUBLISHED and _ANSWERED */
	bool service_externals;         /* keep what Services have outside of the cluster */
	const char *user_agent;         /* "Binnacle/0.1.0 (linux/amd64)" */
	const char *endpoint;           /* WATCH_ENDPOINT */
	const char *tls_cert, *tls_key, *tls_ca; /* WATCH_ENDPOINT; NULL: none */
	const char *kubeconfig;                  /* WATCH_KUBECONFIG: path */
	const char *context;                     /* NULL: the file's current-context */
	const char *const *paths;                /* WATCH_MANIFESTS: NULL-terminated */
	struct watch_peers *peers;               /* NULL: the session is alone */
	/* WATCH_IN_CLUSTER: where the service account's files are; NULL: the standard place. */
	const char *service_account_dir;
};

enum watch_state { /* of one kind, for messages and metrics */
	WATCH_STATE_OFF,
	WATCH_STATE_DISCOVERING,
	WATCH_STATE_LISTING,
	WATCH_STATE_WATCHING,
	WATCH_STATE_WAITING, /* in backoff */
	WATCH_STATE_CLOSED
};

struct watch_stats { /* of one kind; counters only rise */
	enum watch_state state;
	bool synced;      /* a first complete list is in */
	bool forbidden;   /* the last answer was 403 */
	uint64_t objects; /* in the last complete list plus/minus events */
	uint64_t version; /* last resource version */
	uint64_t lists, stream_lists, watches, bookmarks, events, expired, failures, refused;
	uint64_t bytes;           /* body bytes read */
	uint64_t last_contact_ms; /* monotonic; when a byte last came */
};

/* Once per process, before the first thread and the first watch_start(): what
 * libcurl and OpenSSL need, and SIGPIPE ignored (a TLS write to a closed
 * connection raises it). 0 or -ENOMEM. */
int watch_global_init(void);
void watch_global_cleanup(void);

/* Start a session. 0, or a negative errno with a message in err that says what
 * to do (no such file, no such context, not in a cluster, a selector that does
 * not parse, ...). An API server that does not answer is not an error here.
 * The sink's ctx must outlive the close callback. */
int watch_start(struct uv_loop_s *loop, const struct watch_config *config, const struct sink *sink,
	struct watch **out, char *err, size_t err_len);

/* Check a label selector's syntax without starting anything. */
int watch_selector_check(const char *text, char *err, size_t err_len);

/* True once every kind of the session has had its first complete list. */
bool watch_synced(const struct watch *watch);
void watch_stats(const struct watch *watch, enum object_kind kind, struct watch_stats *out);

/* End it. done (may be NULL) is called from the loop when all handles are closed. */
void watch_close(struct watch *watch, void (*done)(void *user), void *user);

#endif
