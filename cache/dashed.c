/* SPDX-License-Identifier: Apache-2.0 */
#include "dashed.h"

#include <arpa/inet.h>
#include <string.h>

#include "dns/wire/name.h"

static char *put_number(char *at, unsigned value, unsigned base)
{
	char digits[8];
	size_t n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n)
		*at++ = digits[--n];
	return at;
}

/* The longest run of two or more zero groups, the first of equals (RFC 5952
 * section 4.2); *len 0: none. */
static unsigned zero_run(const uint16_t group[8], unsigned *len)
{
	unsigned best = 0, best_len = 1;

	for (unsigned i = 0; i < 8; i++) {
		unsigned n = 0;

		while (i + n < 8 && !group[i + n])
			n++;
		if (n > best_len) {
			best = i;
			best_len = n;
		}
		i += n;
	}
	*len = best_len > 1 ? best_len : 0;
	return best;
}

static char *put_v6(char *at, const uint8_t *addr)
{
	uint16_t group[8];
	unsigned run, run_len;

	for (unsigned i = 0; i < 8; i++)
		group[i] = (uint16_t)(addr[2 * i] << 8 | addr[2 * i + 1]);
	run = zero_run(group, &run_len);
	for (unsigned i = 0; i < 8; i++) {
		if (run_len && i == run) {
			*at++ = '-';
			*at++ = '-';
			i += run_len - 1;
			continue;
		}
		if (i && !(run_len && i == run + run_len))
			*at++ = '-';
		at = put_number(at, group[i], 16);
	}
	if (at[-1] == '-')
		*at++ = '0';
	return at;
}

size_t dashed_format(uint8_t family, const uint8_t *addr, char out[DASHED_MAX])
{
	char *at = out;

	if (family == 4) {
		for (unsigned i = 0; i < 4; i++) {
			if (i)
				*at++ = '-';
			at = put_number(at, addr[i], 10);
		}
	} else {
		at = put_v6(at, addr);
	}
	*at = '\0';
	return (size_t)(at - out);
}

uint8_t dashed_parse(const uint8_t *label, size_t len, uint8_t addr[16])
{
	char text[DASHED_MAX], again[DASHED_MAX];
	unsigned char found[16];
	uint8_t family;

	if (len < 3 || len >= sizeof text || memchr(label, '\0', len))
		return 0;
	memcpy(text, label, len);
	text[len] = '\0';
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '-')
			text[i] = '.';
		else if (text[i] == '.' || text[i] == ':')
			return 0;
	}
	family = 4;
	if (inet_pton(AF_INET, text, found) != 1) {
		for (size_t i = 0; i < len; i++) {
			if (text[i] == '.')
				text[i] = ':';
		}
		family = 6;
		if (inet_pton(AF_INET6, text, found) != 1)
			return 0;
	}
	/* Both readers are lenient about spelling; names are not. */
	if (dashed_format(family, found, again) != len || memcmp(again, label, len) != 0)
		return 0;
	memcpy(addr, found, family == 4 ? 4 : 16);
	return family;
}

uint8_t dashed_read(const uint8_t *label, size_t len, uint8_t addr[16])
{
	char text[NAME_MAX_LABEL + 1];
	unsigned char found[16];
	unsigned dashes = 0;
	bool doubled = false, v4;

	if (!len || len >= sizeof text)
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (label[i] == '.' || label[i] == ':' || !label[i])
			return 0;
		dashes += label[i] == '-';
		doubled |= i && label[i] == '-' && label[i - 1] == '-';
	}
	v4 = dashes == 3 && !doubled;
	for (size_t i = 0; i < len; i++)
		text[i] = label[i] != '-' ? (char)label[i] : v4 ? '.' : ':';
	text[len] = '\0';
	if (inet_pton(v4 ? AF_INET : AF_INET6, text, found) != 1)
		return 0;
	memcpy(addr, found, v4 ? 4 : 16);
	return v4 ? 4 : 6;
}

bool dashed_is_usual(const uint8_t *label, size_t len, uint8_t family, const uint8_t *addr)
{
	char usual[DASHED_MAX];
	const size_t usual_len = dashed_format(family, addr, usual);

	return (len == usual_len || (len + 1 == usual_len && label[len - 1] == '-')) &&
	       memcmp(label, usual, len) == 0;
}
