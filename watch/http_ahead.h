/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_HTTP_AHEAD_H
#define BINNACLE_WATCH_HTTP_AHEAD_H

/* TLS records read ahead: OpenSSL takes all that the socket has with one recv(), instead of
 * two for each record. The API server makes two records of an event, and a system call costs
 * as much as the work.
 *
 * What OpenSSL has taken, poll() does not see, and libcurl does not ask for: it would lie
 * there until more comes. So after each turn of libcurl http.c asks http_ahead_left(), and
 * gives it another turn. Only where nothing but this TLS is between libcurl and the socket:
 * with a proxy it might be the proxy's.
 *
 * Where libcurl has another TLS library nothing is read ahead. Any thread.
 */

#include "access.h"

#include <curl/curl.h>
#include <stdbool.h>

/* Before the call is made. */
void http_ahead_set(CURL *easy, const struct access_view *view);

/* A whole record, or part of one, is in OpenSSL's buffer, and nobody has found out yet that
 * it is not whole. */
bool http_ahead_left(CURL *easy);

#endif
