/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_HTTP_VERDICT_H
#define BINNACLE_WATCH_HTTP_VERDICT_H

/* What the end of a libcurl transfer means: a class for the reflector and a
 * sentence for a person, with the reason and, where there is one, the thing to
 * check. Pure; no memory, no I/O.
 */

#include "transport.h"

#define HTTP_DETAIL_MAX 640

struct http_outcome {
	int code;          /* CURLcode */
	const char *error; /* libcurl's error buffer; "" if it wrote nothing */
	int os_errno;      /* CURLINFO_OS_ERRNO */
	int socket_errno;  /* why socket(2) failed; 0: it did not */
	bool connected;    /* a TCP connection came up */
	bool requested;    /* TLS too: the request was sent */
};

enum transport_result http_verdict(
	const struct http_outcome *outcome, char detail[HTTP_DETAIL_MAX]);

#endif
