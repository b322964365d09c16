/* SPDX-License-Identifier: Apache-2.0 */
#include "hosts_text.h"

#include <errno.h>
#include <string.h>

struct word {
	const char *text;
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word of a line; false at its end. */
static bool word_next(const char **at, const char *end, struct word *out)
{
	while (*at < end && is_blank(**at))
		(*at)++;
	out->text = *at;
	while (*at < end && !is_blank(**at))
		(*at)++;
	out->len = (size_t)(*at - out->text);
	return out->len > 0;
}

int hosts_address(const char *text, size_t len, struct value_address *out)
{
	const char *scope = memchr(text, '%', len);
	char copy[INET6_ADDRSTRLEN];

	if (scope)
		len = (size_t)(scope - text);
	if (len >= sizeof copy || memchr(text, 0, len))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = 0;
	return value_address(copy, out);
}

const char *hosts_fault_says(enum hosts_fault_kind kind)
{
	static const char *const says[] = {
		[HOSTS_NO_ADDRESS] = "is no address; the line is passed over",
		[HOSTS_NO_NAME] = "has no name behind it; the line is passed over",
		[HOSTS_BAD_NAME] = "is no name; it is passed over",
	};

	return says[kind];
}

static void fault_add(struct hosts_faults *faults, unsigned line, enum hosts_fault_kind kind,
	const struct word *word)
{
	struct hosts_fault *fault;

	if (faults->count++ >= HOSTS_FAULTS_MAX)
		return;
	fault = &faults->first[faults->count - 1];
	*fault = (struct hosts_fault){.line = line, .kind = kind};
	for (size_t i = 0; i < word->len && i < sizeof fault->text - 1; i++)
		fault->text[i] = word->text[i] ? word->text[i] : '?';
}

static int line_read(const char *at, const char *end, unsigned line, struct hosts_builder *builder,
	struct hosts_faults *faults)
{
	struct value_address address;
	struct word first, word;
	bool any = false;
	int rc = 0;

	if (!word_next(&at, end, &first))
		return 0;
	if (hosts_address(first.text, first.len, &address) < 0) {
		fault_add(faults, line, HOSTS_NO_ADDRESS, &first);
		return 0;
	}
	while (rc == 0 && word_next(&at, end, &word)) {
		struct name name;

		any = true;
		if (name_from_text(word.text, word.len, &name) < 0)
			fault_add(faults, line, HOSTS_BAD_NAME, &word);
		else
			rc = hosts_builder_add(builder, &address, &name);
	}
	if (!any)
		fault_add(faults, line, HOSTS_NO_NAME, &first);
	return rc;
}

int hosts_text_read(
	const char *text, size_t len, struct hosts_builder *builder, struct hosts_faults *faults)
{
	const char *end = text + len;
	int rc = 0;

	for (unsigned line = 1; text < end && rc == 0; line++) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		const char *comment;

		if (!stop)
			stop = end;
		comment = memchr(text, '#', (size_t)(stop - text));
		rc = line_read(text, comment ? comment : stop, line, builder, faults);
		text = stop + (stop < end);
	}
	return rc;
}
