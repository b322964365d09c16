/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_ACCESS_H
#define BINNACLE_WATCH_ACCESS_H

/* Where the API server is and as whom we speak to it: in-cluster files, an
 * endpoint with client certificate, or a kubeconfig. Files are opened by path
 * each time they are due (they are symlinks that the kubelet swaps): the token
 * every 50 s, CA and client certificate every 5 min, all at once when forced. A
 * file that cannot be read or is empty leaves the last good content in use.
 * Exec plugins run on the loop (uv_spawn) and are cached until they expire.
 *
 * Credentials in clear text never leave the machine: a token, a password or a
 * plugin with an http:// URL that is not a loopback one is refused at the start.
 */

#include "watch.h"

struct access;

/* Lives until the next access_get() or access_close(). */
struct access_view {
	const char *url;             /* "https://10.96.0.1:443", no trailing slash */
	const char *tls_server_name; /* NULL: the URL's host */
	const char *proxy_url;       /* NULL: as the environment says */
	bool no_proxy;               /* never use a proxy (in-cluster) */
	bool insecure;               /* insecure-skip-tls-verify */
	bool disable_compression;
	const char *ca_pem; /* NULL: the system's */
	size_t ca_pem_len;
	const char *cert_pem, *key_pem; /* NULL: none */
	size_t cert_pem_len, key_pem_len;
	const char *const *headers; /* NULL-terminated: "Authorization: Bearer ...", ... */
	unsigned tls_generation;    /* rises when CA, certificate or key change:
				      * connections made before must not be used again */
};

/* config: source is not WATCH_MANIFESTS. 0, or a negative errno and a message
 * that says what to do. Reads everything once (but runs no exec plugin). */
int access_open(struct uv_loop_s *loop, const struct watch_config *config, struct access **out,
	char *err, size_t err_len);

/* Bring up to date (force: whatever the age, after a 401) and call ready from
 * the loop, never from inside: with a view, or view NULL and an error text. One
 * warning that is not fatal (a token file that has become unreadable) comes in
 * view's place as error text with the view present. 0 or -ENOMEM. */
int access_get(struct access *access, bool force,
	void (*ready)(void *user, const struct access_view *view, const char *error), void *user);
/* ready will not be called for user any more. */
void access_cancel(struct access *access, void *user);

/* The clock, for tests: milliseconds that only rise, and seconds since 1970.
 * Before the first access_get(). */
void access_set_clock(struct access *access, uint64_t (*now_ms)(void *user),
	int64_t (*wall_s)(void *user), void *user);

/* For messages: the API server's URL, without credentials. */
const char *access_url(const struct access *access);

/* Ends a running exec plugin; done comes from the loop when all handles are closed. */
void access_close(struct access *access, void (*done)(void *user), void *user);

#endif
