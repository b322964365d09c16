/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_SERVE_PLUGIN_H
#define BINNACLE_DNS_SERVE_PLUGIN_H

/* What the server needs from a plugin. One descriptor per Corefile directive,
 * one instance per server block that has it. dns/plugin/list.c holds the
 * descriptors in order; the order is the order in which a block's plugins are
 * asked, whatever the Corefile's is.
 *
 * Life of an instance, on the control loop's thread but for query, rewrite and done:
 *
 *	setup -> start -> (query, rewrite, done)* -> stop -> free
 *	   \______________ free (another directive failed)
 *
 * A reload makes and starts the new configuration's instances while the old ones answer,
 * then lets questions go to the new ones, then stops and frees the old ones. An instance
 * whose plugin says `keeps`, and whose directive is the same, is a part of both: it is not
 * set up or started again, and what it was given at its setup lives on with it. An
 * instance may also be stopped and freed without a question: another one could not start.
 *
 * query, rewrite and done run on any answering or loop thread, several at once: an
 * instance is read-only there, or uses atomics.
 */

#include "dns/corefile/corefile.h"
#include "dns/wire/name.h"
#include "txn.h"
#include "wait.h"

#include <sys/socket.h>

struct metrics;
struct uv_loop_s;
struct worker;

enum plugin_verdict {
	PLUGIN_NEXT, /* not mine, ask the next one */
	PLUGIN_DONE, /* the reply is written */
	PLUGIN_DROP, /* no reply at all */
	PLUGIN_WAIT  /* of wait_for(): asked again when more is known (wait.h) */
};

/* Where a directive stands. Lives during setup only, but for the zones and for tokens,
 * which live as long as the instance. */
struct plugin_site {
	const struct corefile_line *const *lines; /* every line of the directive in the block */
	size_t line_count;                        /* >= 1 */
	const struct name *zones;                 /* the block's, canonical */
	size_t zone_count;
	uint16_t port;
	const char *corefile_dir; /* relative file names are relative to the
				   * working directory, as in CoreDNS; for messages */
};

struct listen_address {
	struct sockaddr_storage address; /* without port */
	const char *text;                /* as written */
};

/* An HTTP answer, as dns/net/http.h has it; serve does not include net. */
struct http_reply;

/* What a starting plugin may ask of the server. */
struct plugin_host {
	void *ctx;
	struct uv_loop_s *loop; /* the control loop */
	struct worker *worker;  /* the loop thread, on which waits begin; NULL: there is none */
	const char *version;    /* "0.1.0" */
	/* Serve path on host:port ("" = all addresses). Several plugins may share an
	 * address. 0; 1 if that path is already served there (the first one stays);
	 * or a negative errno. Sockets are opened when all plugins have started. */
	int (*http_route)(void *ctx, const char *host, uint16_t port, const char *path,
		void (*answer)(void *user, struct http_reply *reply), void *user);
	/* Memory shared by all instances of a configuration that name the same key: zeroed
	 * at first, freed behind the last of those that are not kept. NULL: out of memory. */
	void *(*shared)(void *ctx, const char *key, size_t size);
	/* The same for all configurations: freed with the server. */
	void *(*lasting)(void *ctx, const char *key, size_t size);
	/* Look for a changed Corefile so often: interval_ms, give or take half of jitter_ms;
	 * 0: do not. Of several calls in a configuration the last one counts. */
	void (*reload_every)(void *ctx, unsigned interval_ms, unsigned jitter_ms);
	struct metrics *metrics; /* to add to while plugins start; NULL: nobody counts */
	/* The server is going down (lameduck included). Any thread. */
	bool (*stopping)(void *ctx);
};

/* A zone that is copied in messages of a transfer, and what bounds the copies, as
 * cache/zone_copy.h has them; serve does not include cache. */
struct zone_copy;
struct copy_account;

struct transfer_zone {
	const struct name *apex; /* canonical, lives as long as the instance */
	bool withheld;           /* answered, but never transferred */
};

/* Zones that a secondary may have a copy of, as `transfer` asks the other plugins of
 * its block for them. On the control loop where nothing else is said; copy() runs
 * between start and the end of the loop. */
struct transfer_source {
	/* Zone number i; false: there are no more. Any thread. */
	bool (*zone)(void *instance, size_t i, struct transfer_zone *out);
	/* The version of the data, of all its zones (RFC 1982); false: not all of it is
	 * there yet. Any thread. */
	bool (*serial)(void *instance, uint32_t *out);
	/* Put the SOA of the question's name, an apex, into Answer, with AA; returns
	 * the serial in it. Any thread. */
	uint32_t (*soa)(void *instance, const struct query *query, struct reply *reply);
	/* What is needed to copy the zones as they are now. 0; -EAGAIN: not all of it is
	 * there yet; -ENOMEM. */
	int (*take)(void *instance, void **taken);
	/* Copy one zone of it. 0 or a negative errno (-ENOBUFS: the account's limit). Any
	 * thread, slow. */
	int (*copy)(void *taken, size_t zone, struct copy_account *account, struct zone_copy **out);
	void (*release)(void *taken);
	/* Have changed(user) called whenever the serial may be another; NULL: this user's no
	 * longer. */
	void (*watch)(void *instance, void (*changed)(void *user), void *user);
};

#define PLUGIN_SEARCH_MAX 20 /* names of a search list */

struct plugin {
	const char *name;
	/* Read the lines. 0, or negative with "file:line:col: message" in err. */
	int (*setup)(const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX]);
	/* May be NULL: nothing to start. The block lives as long as the configuration, so not
	 * as long as an instance that is kept. */
	int (*start)(void *instance, const struct plugin_host *host, const struct block *block,
		char err[COREFILE_ERROR_MAX]);
	/* NULL: takes no part in queries. */
	enum plugin_verdict (*query)(void *instance, struct txn *txn);
	/* May change a reply that is written but for its header and OPT, also one of another
	 * plugin or of none (SERVFAIL), but not a stream; for every plugin of the block that
	 * has it, last one in the order first. The client's question only, never one that
	 * the server asks itself. Costs nothing where no plugin of the block has it. */
	void (*rewrite)(void *instance, struct txn *txn);
	/* After the reply is final; for every plugin of the block that has it, last
	 * one in the order first. */
	void (*done)(void *instance, struct txn *txn);
	/* A question that no block of its listener answers, or of another class, was refused:
	 * the reply is final, txn->block is one of the listener's. Called for the first
	 * plugin of a listener that has it. */
	void (*refused)(void *instance, struct txn *txn);
	/* NULL: has no readiness of its own. Any thread. */
	bool (*ready)(void *instance);
	/* How long to go on serving once the server was told to stop; NULL: 0. */
	unsigned (*lameduck_ms)(void *instance);
	/* Where the block listens; NULL: has no say. Appends to *list (realloc). */
	int (*listen)(void *instance, struct listen_address **list, size_t *count,
		char err[COREFILE_ERROR_MAX]);
	/* End what start began; done must be called, later or at once. NULL: nothing. */
	void (*stop)(void *instance, void (*done)(void *user), void *user);
	void (*free)(void *instance); /* NULL: free() */
	/* The search list of the client that asks, if it is known and the question lies in
	 * one of the plugin's zones: how many names, canonical, the root as the last one;
	 * 0: none. txn NULL: not 0 if any client can be known. For `autopath`; NULL: knows
	 * no clients. */
	unsigned (*search)(
		void *instance, const struct txn *txn, struct name out[PLUGIN_SEARCH_MAX]);
	bool wants_time; /* needs txn.start_ns */
	/* A reload takes the instance over where the directive's lines, the block's zones and
	 * port, and the files that the lines name are the same. */
	bool keeps;
	/* ... and only if the block's lines of these plugins are the same too, and those of
	 * them that can be kept are kept; NULL-terminated, may be NULL. */
	const char *const *kept_with;
	const struct transfer_source *transfer; /* NULL: has no zones to copy */
};

/* One server block, ready to run: config.c makes it, respond.c runs it. */
struct block_plugin {
	const struct plugin *plugin;
	void *instance;
};

struct block {
	const struct name *zones;
	char *const *zone_texts; /* "cluster.local." */
	size_t zone_count;
	uint16_t port;
	const struct block_plugin *plugins; /* in the order of list.c */
	size_t plugin_count;
	/* So many blocks behind this one have the same plugins: one server block of the file
	 * with zones on several ports. The first one is what start is given. */
	size_t siblings;
	bool wants_time;
	bool rewrites; /* a plugin has rewrite */
};

#endif
