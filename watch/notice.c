/* SPDX-License-Identifier: Apache-2.0 */
#include "notice.h"

/* FNV-1a */
#define HASH_START 0xcbf29ce484222325u
#define HASH_PRIME 0x100000001b3u

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
	return (hash ^ number) * HASH_PRIME;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = hash_number(hash, (unsigned char)*text);
	return hash_number(hash, 0xff);
}

void notice_failure(struct notice *notice, enum watch_event_type type, const char *verb, int status,
	const char *detail)
{
	uint64_t print = hash_number(hash_number(HASH_START, (uint64_t)type), (uint64_t)status);
	struct watch_event event = {
		.type = type,
		.kind = notice->kind,
		.verb = verb,
		.source = notice->source,
		.detail = detail,
		.status = status,
	};

	print = hash_text(hash_text(print, verb), detail) | 1;
	notice->repeats = print == notice->told ? notice->repeats + 1 : 0;
	notice->told = print;
	event.repeats = notice->repeats;
	notice->sink->event(notice->sink->ctx, &event);
}

void notice_completed(struct notice *notice, const char *verb, const char *detail)
{
	const struct watch_event event = {
		.type = detail ? WATCH_RELISTED : WATCH_SYNCED,
		.kind = notice->kind,
		.verb = verb,
		.source = notice->source,
		.detail = detail,
	};

	notice->sink->event(notice->sink->ctx, &event);
}

void notice_success(struct notice *notice)
{
	notice->told = 0;
}
