/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include "decode.h"
#include "proto_document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUOTED_MAX 200

void answer_reset(struct answer *answer)
{
	answer->status = 0;
	answer->retry_after_s = -1;
	answer->content_type[0] = '\0';
	answer->body.used = 0;
}

void answer_free(struct answer *answer)
{
	growing_free(&answer->body);
}

void answer_head(struct answer *answer, const struct transport_head *head)
{
	answer->status = head->status;
	answer->retry_after_s = head->retry_after_s;
	snprintf(answer->content_type, sizeof answer->content_type, "%s", head->content_type);
}

int answer_add(struct answer *answer, const char *data, size_t len)
{
	const size_t room = ANSWER_BODY_MAX - answer->body.used;
	const size_t taken = len < room ? len : room;

	return growing_add(&answer->body, data, taken);
}

bool answer_is_objects(const struct answer *answer)
{
	const char *type = answer->content_type;

	return !*type || strncmp(type, "application/json", 16) == 0 || proto_content_type(type);
}

static void body_describe(const struct answer *answer, char detail[ANSWER_DETAIL_MAX])
{
	const bool plain = strncmp(answer->content_type, "text/plain", 10) == 0;
	size_t len = answer->body.used < QUOTED_MAX ? answer->body.used : QUOTED_MAX;

	while (len > 0 && strchr(" \r\n", answer->body.bytes[len - 1]))
		len--;
	if (plain && len > 0)
		snprintf(detail, ANSWER_DETAIL_MAX, "HTTP %d: %.*s", answer->status, (int)len,
			answer->body.bytes);
	else
		snprintf(detail, ANSWER_DETAIL_MAX, "HTTP %d%s%s", answer->status,
			*answer->content_type ? ", " : "", answer->content_type);
}

/* too_large may come with 504, or with whatever servers before 1.19 sent. */
static enum outcome status_outcome(int status, bool page, bool too_large)
{
	static const struct {
		int status;
		enum outcome outcome;
	} rows[] = {
		{401, OUTCOME_UNAUTHORIZED},
		{403, OUTCOME_FORBIDDEN},
		{404, OUTCOME_MISSING},
		{410, OUTCOME_EXPIRED},
		{429, OUTCOME_THROTTLED},
	};

	if (status == 410 && page)
		return OUTCOME_PAGE_EXPIRED;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (rows[i].status == status)
			return rows[i].outcome;
	}
	if (too_large)
		return OUTCOME_TOO_LARGE;
	return status >= 400 && status < 500 ? OUTCOME_BAD_REQUEST : OUTCOME_SERVER;
}

static struct document body_document(const struct answer *answer)
{
	struct document document;

	if (proto_content_type(answer->content_type) &&
		proto_document(answer->body.bytes, answer->body.used, NULL, 0, &document))
		return document;
	return (struct document){.bytes = answer->body.bytes, .len = answer->body.used};
}

enum outcome answer_failure(struct answer *answer, bool page, char detail[ANSWER_DETAIL_MAX])
{
	struct decode_meta meta = {.retry_after_s = -1};
	struct document document;

	body_describe(answer, detail);
	document = body_document(answer);
	if (answer->body.used > 0 && decode_meta(&document, &meta) == DECODE_OK && meta.message[0])
		snprintf(detail, ANSWER_DETAIL_MAX, "%s", meta.message);
	free(meta.continue_token);
	if (answer->retry_after_s < 0)
		answer->retry_after_s = meta.retry_after_s;
	return status_outcome(answer->status, page, meta.too_large_version);
}

enum outcome answer_offers(const struct answer *answer, const char *resource)
{
	if (answer->body.used == 0)
		return OUTCOME_CORRUPT;
	switch (decode_offers(answer->body.bytes, answer->body.used, resource)) {
	case DECODE_OK:
		return OUTCOME_WHOLE;
	case DECODE_SKIP: /* the group version is there, without this resource */
		return OUTCOME_MISSING;
	case DECODE_NOMEM:
		return OUTCOME_NO_MEMORY;
	default:
		return OUTCOME_CORRUPT;
	}
}
