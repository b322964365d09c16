/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_SERVER_URL_H
#define BINNACLE_WATCH_SERVER_URL_H

/* The URL of an API server. Pure. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>

/* Check and tidy: https where no scheme is given, a path is kept, no trailing
 * slash; user, query and fragment are refused. out is to be freed. 0, -EINVAL
 * with a message, or -ENOMEM. */
int server_url_tidy(const char *text, char **out, char *err, size_t err_len);

/* "https://host:port" with an IPv6 address in brackets. As above. */
int server_url_make(const char *host, const char *port, char **out, char *err, size_t err_len);

/* Whether credentials may go there: over TLS, or to this machine itself. */
bool server_url_is_private(const char *url);

#endif
