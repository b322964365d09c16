/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and zones: names are brought into one form, and a CIDR becomes the reverse
 * zones it stands for (RFC 1035 section 3.5, RFC 3596 section 2.5). */

#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZONE_TEXT_MAX 1021 /* every byte of a name escaped, and NUL */
#define ZONE_WIRE_MAX 255  /* RFC 1035 section 2.3.4 */

struct zones {
	char **items;
	size_t count;
};

static void zones_free(struct zones *zones)
{
	for (size_t i = 0; i < zones->count; i++)
		free(zones->items[i]);
	free(zones->items);
}

static int zones_add(struct zones *zones, const char *text, char *err, size_t err_len)
{
	char **grown = reallocarray(zones->items, zones->count + 1, sizeof *grown);

	if (grown)
		zones->items = grown;
	if (!grown || !(grown[zones->count] = strdup(text))) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	zones->count++;
	return 0;
}

/* --- reverse zones --- */

/* The zone of the first `bits` bits, which are whole octets (IPv4) or nibbles. */
static void reverse_text(const struct value_address *address, unsigned bits, char *out)
{
	bool v4 = address->family == AF_INET;
	size_t len = 0;

	for (unsigned i = bits / (v4 ? 8 : 4); i-- > 0;) {
		unsigned pair = v4 ? 0 : address->bytes[i / 2];
		unsigned nibble = (i % 2 ? pair : pair >> 4) & 0xf;

		len += (size_t)snprintf(out + len, ZONE_TEXT_MAX - len, v4 ? "%u." : "%x.",
			v4 ? (unsigned)address->bytes[i] : nibble);
	}
	snprintf(out + len, ZONE_TEXT_MAX - len, "%s", v4 ? "in-addr.arpa." : "ip6.arpa.");
}

/* Add n to the number in the first `bits` bits; it cannot overflow. */
static void address_step(struct value_address *address, unsigned bits, unsigned n)
{
	unsigned at = (bits - 1) / 8, shift = at * 8 + 8 - bits;

	address->bytes[at] = (uint8_t)(address->bytes[at] + (n << shift));
}

static int zones_add_prefix(
	struct zones *zones, const struct value_prefix *prefix, char *err, size_t err_len)
{
	unsigned unit = prefix->address.family == AF_INET ? 8 : 4;
	unsigned bits = (prefix->bits + unit - 1) / unit * unit;
	unsigned count = 1u << (bits - prefix->bits);
	int rc = 0;

	for (unsigned i = 0; i < count && rc == 0; i++) {
		struct value_address address = prefix->address;
		char text[ZONE_TEXT_MAX];

		if (i)
			address_step(&address, bits, i);
		reverse_text(&address, bits, text);
		rc = zones_add(zones, text, err, err_len);
	}
	return rc;
}

/* --- names --- */

/* How many characters of text stand for one byte of a label; 0: none can. */
static size_t label_byte(const char *text)
{
	unsigned char c = (unsigned char)text[0];

	if (c == '\\') {
		unsigned value = 0;

		if (text[1] < '0' || text[1] > '9')
			return text[1] > 0x20 && text[1] < 0x7f ? 2 : 0;
		for (int i = 1; i < 4; i++) {
			if (text[i] < '0' || text[i] > '9')
				return 0;
			value = value * 10 + (unsigned)(text[i] - '0');
		}
		return value < 256 ? 4 : 0;
	}
	return c > 0x20 && c < 0x7f && !strchr(",:;\"(){}", c) ? 1 : 0;
}

static int name_invalid(const char *name, const char *why, char *err, size_t err_len)
{
	snprintf(err, err_len, "'%.100s' is not a zone: %s", name, why);
	return -EINVAL;
}

static int character_invalid(const char *name, const char *at, char *err, size_t err_len)
{
	if ((unsigned char)*at >= 0x80)
		return name_invalid(
			name, "write letters outside ASCII in their xn-- form", err, err_len);
	if (*at == ',')
		return name_invalid(name, "put a space behind the comma", err, err_len);
	if (*at == ':')
		return name_invalid(name,
			"only a port may stand behind ':', a number from 1 to 65535", err, err_len);
	snprintf(err, err_len, "'%.100s' is not a zone: '%c' cannot stand in a name", name, *at);
	return -EINVAL;
}

/* Check a name, and write it in lower case with its final dot. */
static int name_read(const char *name, char out[ZONE_TEXT_MAX], char *err, size_t err_len)
{
	size_t label = 0, wire = 1, len = 0;

	if (strlen(name) + 2 > ZONE_TEXT_MAX)
		return name_invalid(name, "a name has 255 bytes at most", err, err_len);
	for (const char *at = name; *at && strcmp(name, ".") != 0;) {
		size_t size = *at == '.' ? 1 : label_byte(at);

		if (size == 0)
			return character_invalid(name, at, err, err_len);
		if (*at == '.' && label == 0)
			return name_invalid(name, "two dots, or a dot at its start", err, err_len);
		if (label == 0)
			wire++;
		label = *at == '.' ? 0 : label + 1;
		wire += *at != '.';
		if (label > 63)
			return name_invalid(name, "a label has 63 bytes at most", err, err_len);
		for (; size > 0; size--, at++)
			out[len++] = (char)(*at >= 'A' && *at <= 'Z' ? *at | 0x20 : *at);
	}
	if (wire > ZONE_WIRE_MAX)
		return name_invalid(name, "a name has 255 bytes at most", err, err_len);
	if (len == 0 || label > 0)
		out[len++] = '.';
	out[len] = 0;
	return 0;
}

static int zones_add_text(struct zones *zones, const char *text, char *err, size_t err_len)
{
	char name[ZONE_TEXT_MAX], host[64];
	struct value_prefix prefix;
	struct value_address address;
	const char *slash = strchr(text, '/');
	int rc;

	if (!text[0]) {
		snprintf(err, err_len, "the zone is empty; write '.' for all names");
		return -EINVAL;
	}
	if (slash && value_prefix(text, &prefix) == 0)
		return zones_add_prefix(zones, &prefix, err, err_len);
	/* "0/25.2.0.192.in-addr.arpa" (RFC 2317) is a name all right. */
	if (slash && (size_t)(slash - text) < sizeof host) {
		memcpy(host, text, (size_t)(slash - text));
		host[slash - text] = 0;
		if (value_address(host, &address) == 0) {
			snprintf(err, err_len,
				"'%.100s' is not a CIDR; behind '/' stands a number from 0 to %d",
				text, address.family == AF_INET ? 32 : 128);
			return -EINVAL;
		}
	}
	rc = name_read(text, name, err, err_len);
	return rc < 0 ? rc : zones_add(zones, name, err, err_len);
}

int value_zones(const char *text, char ***zones, size_t *count, char *err, size_t err_len)
{
	struct zones found = {0};
	char **grown;
	int rc = zones_add_text(&found, text, err, err_len);

	if (rc < 0)
		goto fail;
	grown = reallocarray(*zones, *count + found.count, sizeof *grown);
	if (!grown) {
		snprintf(err, err_len, "out of memory");
		rc = -ENOMEM;
		goto fail;
	}
	memcpy(grown + *count, found.items, found.count * sizeof *grown);
	*zones = grown;
	*count += found.count;
	free(found.items);
	return 0;
fail:
	zones_free(&found);
	return rc;
}

/* --- keys --- */

static int scheme_read(const char **text, enum value_scheme *out, char *err, size_t err_len)
{
	static const struct {
		const char *name;
		enum value_scheme scheme;
	} schemes[] = {
		{"dns", SCHEME_DNS},
		{"tls", SCHEME_TLS},
		{"https", SCHEME_HTTPS},
		{"https3", SCHEME_HTTPS3},
		{"quic", SCHEME_QUIC},
		{"grpc", SCHEME_GRPC},
	};
	const char *mark = strstr(*text, "://");
	size_t len = mark ? (size_t)(mark - *text) : 0;

	*out = SCHEME_DNS;
	if (!mark)
		return 0;
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		if (strlen(schemes[i].name) != len || strncmp(*text, schemes[i].name, len) != 0)
			continue;
		*out = schemes[i].scheme;
		*text = mark + 3;
		return 0;
	}
	snprintf(err, err_len,
		"'%.*s' is not a scheme; write dns://, tls://, https://, https3://, quic:// or "
		"grpc://, or leave it out",
		len < 32 ? (int)len : 32, *text);
	return -EINVAL;
}

/* Digits behind the last colon are the port; in an IPv6 prefix without a port the
 * mask's slash stands there. *len becomes the zone's length. */
static int port_read(const char *text, size_t *len, uint16_t *port, char *err, size_t err_len)
{
	const char *colon = strrchr(text, ':');
	int64_t number;

	*len = strlen(text);
	*port = 0;
	if (!colon || strchr(colon, '/'))
		return 0;
	if (colon == text) {
		snprintf(err, err_len, "'%.100s' has no zone; write '.%.20s' for all names", text,
			text);
		return -EINVAL;
	}
	if (colon[1] < '0' || colon[1] > '9' ||
		value_number(colon + 1, 1, UINT16_MAX, &number) < 0) {
		snprintf(err, err_len, "'%.100s': the port has to be a number from 1 to 65535",
			text);
		return -EINVAL;
	}
	*len = (size_t)(colon - text);
	*port = (uint16_t)number;
	return 0;
}

int value_key(const char *text, struct value_key *out, char *err, size_t err_len)
{
	struct value_key key = {0};
	struct zones zones = {0};
	char *zone;
	size_t len;
	int rc;

	if (scheme_read(&text, &key.scheme, err, err_len) < 0 ||
		port_read(text, &len, &key.port, err, err_len) < 0)
		return -EINVAL;
	zone = strndup(text, len);
	if (!zone) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	rc = zones_add_text(&zones, zone, err, err_len);
	free(zone);
	if (rc < 0) {
		zones_free(&zones);
		return rc;
	}
	key.zones = zones.items;
	key.zone_count = zones.count;
	*out = key;
	return 0;
}

void value_key_free(struct value_key *key)
{
	struct zones zones = {key->zones, key->zone_count};

	zones_free(&zones);
	*key = (struct value_key){0};
}
