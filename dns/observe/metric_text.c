/* SPDX-License-Identifier: Apache-2.0 */
#include "metric_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_FIRST_BYTES 4096

void metric_text_add(struct metric_text *text, const char *bytes, size_t len)
{
	size_t cap = text->cap ? text->cap : TEXT_FIRST_BYTES;
	char *grown;

	if (text->failed)
		return;
	while (cap - text->len < len)
		cap *= 2;
	if (cap != text->cap) {
		grown = realloc(text->data, cap);
		if (!grown) {
			text->failed = true;
			return;
		}
		text->data = grown;
		text->cap = cap;
	}
	memcpy(text->data + text->len, bytes, len);
	text->len += len;
}

static void add(struct metric_text *text, const char *string)
{
	metric_text_add(text, string, strlen(string));
}

/* A quotation mark stands for itself in HELP. */
static void add_escaped(struct metric_text *text, const char *string, bool quoted)
{
	for (const char *at = string; *at; at++) {
		if (*at == '\n')
			add(text, "\\n");
		else if (*at == '\\')
			add(text, "\\\\");
		else if (*at == '"' && quoted)
			add(text, "\\\"");
		else
			metric_text_add(text, at, 1);
	}
}

void metric_text_head(
	struct metric_text *text, const char *name, const char *help, const char *type)
{
	add(text, "# HELP ");
	add(text, name);
	add(text, " ");
	add_escaped(text, help, false);
	add(text, "\n# TYPE ");
	add(text, name);
	add(text, " ");
	add(text, type);
	add(text, "\n");
}

static void add_label(
	struct metric_text *text, const char *name, size_t name_len, const char *value, bool first)
{
	add(text, first ? "{" : ",");
	metric_text_add(text, name, name_len);
	add(text, "=\"");
	add_escaped(text, value, true);
	add(text, "\"");
}

void metric_text_sample(struct metric_text *text, const char *name, const char *suffix,
	const char *names, const char *const *values, const char *le, const char *value)
{
	size_t count = 0;

	add(text, name);
	add(text, suffix);
	while (*names) {
		const size_t len = strcspn(names, " ");

		add_label(text, names, len, values[count], count == 0);
		count++;
		names += len + (names[len] == ' ');
	}
	if (le)
		add_label(text, "le", 2, le, count++ == 0);
	add(text, count ? "} " : " ");
	add(text, value);
	add(text, "\n");
}

const char *metric_number(uint64_t n, uint64_t scale, char out[METRIC_NUMBER_MAX])
{
	int len = snprintf(out, METRIC_NUMBER_MAX, "%" PRIu64, n / scale);

	n %= scale;
	if (n)
		out[len++] = '.';
	while (n) {
		scale /= 10;
		out[len++] = (char)('0' + n / scale);
		n %= scale;
	}
	out[len] = 0;
	return out;
}

/* Counts are exact in a double, and shown without an exponent, up to 2^53. */
const char *metric_double(double value, char out[METRIC_NUMBER_MAX])
{
	const double exact = 9007199254740992.0;

	if (isnan(value))
		return "NaN";
	if (isinf(value))
		return value > 0 ? "+Inf" : "-Inf";
	if (value == trunc(value) && fabs(value) <= exact)
		snprintf(out, METRIC_NUMBER_MAX, "%.0f", value);
	else
		snprintf(out, METRIC_NUMBER_MAX, "%.15g", value);
	return out;
}
