/* SPDX-License-Identifier: Apache-2.0 */
#include "trigger.h"

#include "credential.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S  1000000000
#define S_MAX     (INT64_MAX / NS_PER_S - 1)
#define FRACTION  19 /* of "2030-01-02T03:04:05.678Z": where it begins, with its dot */
#define NS_DIGITS 9

int64_t trigger_read(const char *text)
{
	int64_t seconds, ns = 0;

	if (credential_time_parse(text, &seconds) < 0 || seconds <= 0 || seconds > S_MAX)
		return 0;
	if (text[FRACTION] != '.')
		return seconds * NS_PER_S;
	text += FRACTION + 1;
	for (unsigned i = 0; i < NS_DIGITS; i++) {
		const bool digit = *text >= '0' && *text <= '9';

		ns = ns * 10 + (digit ? *text - '0' : 0);
		text += digit;
	}
	return seconds * NS_PER_S + ns;
}

void triggers_add(struct triggers *triggers, const struct endpoint_slice *slice, int64_t at_ns)
{
	const size_t ns_size = strlen(slice->head.ns) + 1;
	const size_t service_size = strlen(slice->service) + 1;
	char *names;

	if (triggers->count == TRIGGERS_MAX)
		return;
	names = malloc(ns_size + service_size);
	if (!names)
		return;
	memcpy(names, slice->head.ns, ns_size);
	memcpy(names + ns_size, slice->service, service_size);
	triggers->items[triggers->count].at_ns = at_ns;
	triggers->items[triggers->count++].ns = names;
}

void triggers_tell(struct triggers *triggers, const struct sink *sink, const bool *stopped)
{
	for (unsigned i = 0; i < triggers->count && !*stopped; i++) {
		const char *ns = triggers->items[i].ns;
		const struct watch_event event = {
			.type = WATCH_TRIGGERED,
			.kind = KIND_SLICE,
			.ns = ns,
			.name = ns + strlen(ns) + 1,
			.time_ns = triggers->items[i].at_ns,
		};

		sink->event(sink->ctx, &event);
	}
	triggers_clear(triggers);
}

void triggers_clear(struct triggers *triggers)
{
	for (unsigned i = 0; i < triggers->count; i++)
		free(triggers->items[i].ns);
	triggers->count = 0;
}
