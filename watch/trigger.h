/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_TRIGGER_H
#define BINNACLE_WATCH_TRIGGER_H

/* When what an EndpointSlice tells has happened, as the controller that wrote it says in an
 * annotation. Kept from the event until the sink has settled it, and then told. One thread. */

#include "sink.h"

#define TRIGGER_ANNOTATION "endpoints.kubernetes.io/last-change-trigger-time"
/* Of one burst; of what is more nobody is told. */
#define TRIGGERS_MAX 64

struct triggers { /* zero-initialised */
	struct {
		int64_t at_ns;
		char *ns; /* the Service's name behind it */
	} items[TRIGGERS_MAX];
	unsigned count;
};

/* RFC 3339 with nanoseconds, since the epoch. 0: no such time, or none since 1970. */
int64_t trigger_read(const char *text);

void triggers_add(struct triggers *triggers, const struct endpoint_slice *slice, int64_t at_ns);
/* One WATCH_TRIGGERED each, until *stopped. */
void triggers_tell(struct triggers *triggers, const struct sink *sink, const bool *stopped);
void triggers_clear(struct triggers *triggers);

#endif
