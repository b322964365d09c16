/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_NOTICE_H
#define BINNACLE_WATCH_NOTICE_H

/* A reflector's messages to its sink: complete lists, and failures with a count
 * of how often the same was told before. One thread.
 */

#include "sink.h"

struct notice {
	const struct sink *sink;
	enum object_kind kind;
	const char *source;
	uint64_t told; /* a fingerprint of the last failure; 0: none */
	unsigned repeats;
};

/* status 0: none. detail is never NULL. */
void notice_failure(struct notice *notice, enum watch_event_type type, const char *verb, int status,
	const char *detail);

/* detail: why another list was needed; NULL: it is the first. */
void notice_completed(struct notice *notice, const char *verb, const char *detail);

/* Something has worked: the next failure is a new one. */
void notice_success(struct notice *notice);

#endif
