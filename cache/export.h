/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_EXPORT_H
#define BINNACLE_CACHE_EXPORT_H

/* A whole forward zone, as a zone transfer needs it: SOA, NS, then every name in
 * canonical order (RFC 4034 section 6.1; below a Service its ports, then its
 * endpoints) with all its RRsets, and SOA again.
 *
 * What is transferred is what is answered: the names are enumerated here, but
 * lookup.h says of each what it is, for each type there is; nothing is said about
 * a name that the look-up denies. Left out are names that cannot be enumerated
 * (pods: any address spells one), names that have no record (a namespace, a
 * protocol, `svc`: they exist on a secondary where something is below them), and
 * second spellings (`http.tcp` for `_http._tcp`).
 *
 * The writer only copies what is published, which are position-independent bytes
 * (answer.h): some milliseconds for 10,000 Services, and one serial is true of all
 * of it. Making messages of the copy costs as much as asking for every name, some
 * tenths of a second for 150,000 endpoints, and belongs on a thread for which
 * nothing waits.
 *
 *	export_take(view, &e)  ->  export_zone(e, zone, account, &copy)*  ->  export_free(e)
 */

#include "view.h"
#include "zone_copy.h"

struct zone_export;

/* All that is published now. Writer's thread. 0, -EAGAIN: the lists are not complete
 * yet, or -ENOMEM. The view must outlive it. */
int export_take(const struct view *view, struct zone_export **out);
void export_free(struct zone_export *export); /* any thread; NULL is allowed */

/* Any thread, one at a time. 0; -EINVAL: a reverse zone; or what copy_end() returns. */
int export_zone(struct zone_export *export, size_t zone, struct copy_account *account,
	struct zone_copy **out);

/* True once all lists that a transfer needs are complete. Any thread. */
bool export_ready(const struct view *view);

#endif
