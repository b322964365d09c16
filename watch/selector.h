/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_SELECTOR_H
#define BINNACLE_WATCH_SELECTOR_H

/* Kubernetes label selectors, as the API server reads them: requirements joined
 * by commas, all of which have to hold.
 *
 *	app = web, tier != db, env in (prod, test), zone notin (a), owner, !gone
 *	weight > 3, weight < 10
 *
 * An absent label satisfies !=, notin and !key. Immutable once parsed; any thread.
 */

#include <stdbool.h>
#include <stddef.h>

struct selector;

/* "" and white space select everything. 0, -ENOMEM, or -EINVAL with a message
 * that says where and what was expected. */
int selector_parse(const char *text, struct selector **out, char *err, size_t err_len);
void selector_free(struct selector *selector);

/* label: a label's value, or NULL if the object has no such label. */
bool selector_match(const struct selector *selector,
	const char *(*label)(void *user, const char *key), void *user);

#endif
