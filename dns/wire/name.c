/* SPDX-License-Identifier: Apache-2.0 */
#include "name.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static uint8_t lower(uint8_t c)
{
	return (uint8_t)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* One character of presentation form; moves *at on. -1: a bad escape. */
static int text_byte(const char *text, size_t len, size_t *at)
{
	size_t i = *at;
	int value;

	if (text[i] != '\\') {
		*at = i + 1;
		return (uint8_t)text[i];
	}
	if (++i == len)
		return -1;
	if (!is_digit(text[i])) {
		*at = i + 1;
		return (uint8_t)text[i];
	}
	if (len - i < 3 || !is_digit(text[i + 1]) || !is_digit(text[i + 2]))
		return -1;
	value = (text[i] - '0') * 100 + (text[i + 1] - '0') * 10 + (text[i + 2] - '0');
	*at = i + 3;
	return value > 255 ? -1 : value;
}

int name_from_text(const char *text, size_t len, struct name *out)
{
	struct name name = {0};
	size_t label = 0, used = 1; /* label: where its length byte is */

	if (len == 0 || (len == 1 && text[0] == '.')) {
		*out = (struct name){.len = 1};
		return 0;
	}
	for (size_t at = 0; at < len;) {
		bool dot = text[at] == '.';
		int byte = dot ? 0 : text_byte(text, len, &at);
		size_t label_len = used - label - 1;

		if (byte < 0 || (dot && label_len == 0))
			return -EINVAL;
		if (!dot && label_len == NAME_MAX_LABEL)
			return -EINVAL;
		if (used >= NAME_MAX_LEN)
			return -ENAMETOOLONG;
		if (!dot) {
			name.wire[used++] = (uint8_t)byte;
			continue;
		}
		at++;
		name.wire[label] = (uint8_t)label_len;
		name.labels++;
		label = used++;
	}
	if (used - label - 1 > 0) { /* no final dot */
		if (used >= NAME_MAX_LEN)
			return -ENAMETOOLONG;
		name.wire[label] = (uint8_t)(used - label - 1);
		name.labels++;
		used++;
	}
	name.wire[used - 1] = 0;
	name.len = (uint8_t)used;
	*out = name;
	return 0;
}

static bool is_plain(uint8_t c)
{
	return is_alnum((char)c) || (c != 0 && strchr("-_/:*+=~@", c) != NULL);
}

/* What one byte is written as; its length. */
static size_t byte_to_text(uint8_t c, char text[4])
{
	text[0] = (char)c;
	if (is_plain(c))
		return 1;
	text[0] = '\\';
	text[1] = (char)c;
	if (c == '.' || c == '\\')
		return 2;
	text[1] = (char)('0' + c / 100);
	text[2] = (char)('0' + c / 10 % 10);
	text[3] = (char)('0' + c % 10);
	return 4;
}

size_t name_to_text(const uint8_t *wire, char *text, size_t cap)
{
	size_t used = 0;

	if (cap == 0)
		return 0;
	if (wire[0] == 0 && used + 1 < cap)
		text[used++] = '.';
	for (; wire[0] != 0; wire += wire[0] + 1) {
		for (unsigned i = 1; i <= wire[0]; i++) {
			char piece[4];
			size_t len = byte_to_text(wire[i], piece);

			if (used + len >= cap)
				goto full;
			memcpy(text + used, piece, len);
			used += len;
		}
		if (used + 1 >= cap)
			goto full;
		text[used++] = '.';
	}
full:
	text[used] = '\0';
	return used;
}

size_t name_wire_check(const uint8_t *wire, size_t len)
{
	size_t at = 0;

	while (at < len && at < NAME_MAX_LEN) {
		if (wire[at] == 0)
			return at + 1;
		if (wire[at] > NAME_MAX_LABEL)
			return 0;
		at += wire[at] + 1u;
	}
	return 0;
}

/* Eight bytes at once: bit 7 of each byte says "from A on" and "behind Z", and
 * what is one but not the other is a capital; bytes over 127 are none. */
static uint64_t lower_word(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t low = word & 0x7f * ones;
	uint64_t from_a = low + (0x80 - 'A') * ones;
	uint64_t behind_z = low + (0x7f - 'Z') * ones;
	uint64_t capital = (from_a ^ behind_z) & ~word & 0x80 * ones;

	return word | capital >> 2;
}

void name_lower(uint8_t *to, const uint8_t *from, size_t len)
{
	uint64_t word;
	size_t i = 0;

	for (; len - i >= sizeof word; i += sizeof word) {
		memcpy(&word, from + i, sizeof word);
		word = lower_word(word);
		memcpy(to + i, &word, sizeof word);
	}
	for (; i < len; i++)
		to[i] = lower(from[i]);
}

static bool bytes_same(const uint8_t *a, const uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (lower(a[i]) != lower(b[i]))
			return false;
	}
	return true;
}

static size_t wire_len(const uint8_t *wire)
{
	size_t at = 0;

	while (wire[at] != 0)
		at += wire[at] + 1u;
	return at + 1;
}

bool name_equal(const uint8_t *a, const uint8_t *b)
{
	size_t len = wire_len(a);

	return len == wire_len(b) && bytes_same(a, b, len);
}

bool name_below(const struct name *name, const struct name *zone)
{
	size_t at = 0;

	if (zone->labels > name->labels)
		return false;
	for (unsigned i = zone->labels; i < name->labels; i++)
		at += name->wire[at] + 1u;
	return name->len - at == zone->len && bytes_same(name->wire + at, zone->wire, zone->len);
}

bool name_label_is_host(const char *label, size_t len)
{
	if (len == 0 || len > NAME_MAX_LABEL || label[0] == '-' || label[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(label[i]) && label[i] != '-')
			return false;
	}
	return true;
}

int name_prepend(struct name *name, const char *label, size_t len)
{
	if (len == 0 || len > NAME_MAX_LABEL)
		return -EINVAL;
	if (name->len + len + 1 > NAME_MAX_LEN)
		return -ENAMETOOLONG;
	memmove(name->wire + len + 1, name->wire, name->len);
	name->wire[0] = (uint8_t)len;
	memcpy(name->wire + 1, label, len);
	name->len = (uint8_t)(name->len + len + 1);
	name->labels++;
	return 0;
}

/* --- SipHash-1-3 (Aumasson and Bernstein): one round a word, three at the end --- */

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static inline uint64_t load_le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return le64toh(v);
}

uint64_t name_hash(const uint8_t *data, size_t len, const uint8_t key[16])
{
	uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);
	struct sip s = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
		k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
	uint64_t last = (uint64_t)len << 56;
	const uint8_t *end = data + (len & ~(size_t)7);

	for (; data != end; data += 8) {
		uint64_t word = load_le64(data);

		s.v3 ^= word;
		sip_round(&s);
		s.v0 ^= word;
	}
	for (unsigned i = 0; i < (len & 7); i++)
		last |= (uint64_t)data[i] << (8 * i);
	s.v3 ^= last;
	sip_round(&s);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
