/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_ANSWER_H
#define BINNACLE_WATCH_ANSWER_H

/* One HTTP answer: its header, and its body where that is neither a list nor a
 * stream: the Status, text or HTML of a failure, or the resources of a group
 * version. Of a body only the beginning is kept. No error body need be JSON: the
 * API server's own filters send text, and proxies send HTML.
 */

#include "growing.h"
#include "reflector_step.h"
#include "transport.h"

#define ANSWER_BODY_MAX   (256u << 10)
#define ANSWER_DETAIL_MAX 768

/* Zeroed is a valid start. */
struct answer {
	int status;        /* 0: no header yet */
	int retry_after_s; /* of the header, else of the Status; -1: not named */
	char content_type[64];
	struct growing body;
};

/* Ready for another call; the memory is kept. */
void answer_reset(struct answer *answer);
void answer_free(struct answer *answer);

void answer_head(struct answer *answer, const struct transport_head *head);
/* 0 or -ENOMEM. */
int answer_add(struct answer *answer, const char *data, size_t len);

/* By its content type it is, or may be, objects of the API: JSON, protobuf, or it is not said. */
bool answer_is_objects(const struct answer *answer);

/* What a status other than 200 means, with a text for a person. page: it was the
 * answer to a continue token. */
enum outcome answer_failure(struct answer *answer, bool page, char detail[ANSWER_DETAIL_MAX]);

/* A 200 to a discovery: WHOLE if the resource is there, MISSING, CORRUPT, NO_MEMORY. */
enum outcome answer_offers(const struct answer *answer, const char *resource);

#endif
