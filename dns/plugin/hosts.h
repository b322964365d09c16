/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_HOSTS_H
#define BINNACLE_DNS_PLUGIN_HOSTS_H

/* `hosts` in parts: hosts_options.c reads the directive, hosts_reload.c follows the file,
 * hosts_metrics.c tells of it, hosts.c answers. */

#include "cache/epoch.h"
#include "dns/serve/plugin.h"
#include "hosts_file.h"
#include "hosts_metrics.h"
#include "hosts_text.h"

#include <stdatomic.h>
#include <uv.h>

/* An address and a name of the directive's body. */
struct hosts_inline {
	struct value_address address;
	struct name name;
};

struct hosts_options {
	char *path;
	struct corefile_token at; /* where the path stands, or the directive */
	struct name *zones;
	size_t zone_count;
	struct hosts_inline *inlines;
	size_t inline_count;
	uint32_t ttl_s;
	uint64_t reload_ms; /* 0: never */
	bool no_reverse;
	bool fallthrough, fallthrough_unsupported;
	struct name *fallthrough_zones; /* none: every zone */
	size_t fallthrough_count;
};

/* What became of one look at the file. */
struct hosts_load {
	int rc;                    /* as hosts_file_read(), or of the table */
	struct hosts_table *table; /* rc 0 */
	struct hosts_faults faults;
};

struct hosts {
	struct hosts_options options;
	struct hosts_rules rules;
	/* What is answered from. One writer, the control loop; readers take it anew for each
	 * question, while they are online (cache/epoch.h). */
	_Atomic(struct hosts_table *) table;
	/* The control loop's, but for stamp and load: the thread's that looks at the file. */
	struct epoch_bin bin;
	struct hosts_stamp stamp;
	struct hosts_load load;
	struct hosts_metrics *metrics; /* NULL: nobody counts */
	int told;                      /* the error that was logged; 0: none */
	uv_timer_t timer;
	uv_work_t work;
	bool timer_open, working;
	void (*done)(void *user); /* NULL: not stopping */
	void *user;
};

/* hosts_options.c. 0 or negative with a message; what was read must be freed either way. */
int hosts_options_read(const struct plugin_site *site, struct hosts_options *options,
	char err[COREFILE_ERROR_MAX]);
void hosts_options_free(struct hosts_options *options);

/* hosts_reload.c. Read the file now, and from then on when it changes. 0 or -ENOMEM; the
 * rest is logged. */
int hosts_reload_start(struct hosts *hosts, struct uv_loop_s *loop);
/* done is called at once or later; nothing is read from then on. Allowed without start. */
void hosts_reload_stop(struct hosts *hosts, void (*done)(void *user), void *user);
/* After done; no reader may be left. */
void hosts_reload_free(struct hosts *hosts);

#endif
