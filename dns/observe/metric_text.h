/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_OBSERVE_METRIC_TEXT_H
#define BINNACLE_DNS_OBSERVE_METRIC_TEXT_H

/* Lines of Prometheus's text format 0.0.4 in a buffer that grows. What does not fit into
 * memory is left out and `failed` says so. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct metric_text {
	char *data; /* free() it */
	size_t len, cap;
	bool failed;
};

void metric_text_add(struct metric_text *text, const char *bytes, size_t len);

/* # HELP and # TYPE. */
void metric_text_head(
	struct metric_text *text, const char *name, const char *help, const char *type);

/* NAME SUFFIX {LABELS, le="..."} VALUE. names is "server zone", values has one for each of
 * them, any bytes; le NULL: none. */
void metric_text_sample(struct metric_text *text, const char *name, const char *suffix,
	const char *names, const char *const *values, const char *le, const char *value);

#define METRIC_NUMBER_MAX 40
/* "12", "0.00025": n units of which a whole has `scale`, a power of ten. */
const char *metric_number(uint64_t n, uint64_t scale, char out[METRIC_NUMBER_MAX]);
const char *metric_double(double value, char out[METRIC_NUMBER_MAX]);

#endif
