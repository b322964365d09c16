/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_RELOAD_H
#define BINNACLE_DNS_RELOAD_H

/* The configuration that runs, and the way to the next one, without a question lost:
 *
 *	         changed, or a signal      ready, listening        old one's last user gone
 *	   IDLE ---------------> WAITING -----------------> RETIRING -----------------> IDLE
 *	                            | cannot start, not ready,     ^
 *	                            | cannot listen                |
 *	                            +------- (the new one) --------+
 *
 * The Corefile and all that it imports is read aside, its plugins are set up, and those that
 * are not the same as before are started, while the old configuration answers. The step
 * from one to the other is an exchange of pointers (listen.h, host.h). Whatever goes wrong
 * before that leaves the old configuration as it was; the reason is logged and counted.
 *
 * One at a time: a signal during a reload is remembered. Control loop's thread.
 */

#include "config.h"
#include "host.h"
#include "listen.h"
#include "options.h"

struct reload;

struct reload_parts { /* all outlive it */
	struct uv_loop_s *loop;
	const struct options *options;
	struct host *host;
	struct listen *listen;
};

/* config runs; it is the reload's from now on, if all goes well. 0 or a negative errno. */
int reload_new(const struct reload_parts *parts, struct config *config, struct reload **out);

/* What answers now. */
const struct config *reload_config(const struct reload *reload);

/* Reload, changed or not; signal is for the log: "SIGHUP". */
void reload_now(struct reload *reload, const char *signal);

/* The server is going down: begin nothing more. */
void reload_freeze(struct reload *reload);
/* Stop all plugins, of whatever configuration; the threads have ended. The loop is empty
 * when they have. */
void reload_close(struct reload *reload);
void reload_free(struct reload *reload); /* after the loop; NULL is allowed */

#endif
