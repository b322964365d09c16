/* SPDX-License-Identifier: Apache-2.0 */
#include "value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The digits at *text, and behind them. -EINVAL: none; -ERANGE: too many. */
static int digits_read(const char **text, uint64_t *out)
{
	const char *at = *text;
	uint64_t number = 0;

	if (!is_digit(*at))
		return -EINVAL;
	for (; is_digit(*at); at++) {
		if (__builtin_mul_overflow(number, 10u, &number) ||
			__builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
			return -ERANGE;
	}
	*text = at;
	*out = number;
	return 0;
}

int value_number(const char *text, int64_t min, int64_t max, int64_t *out)
{
	bool negative = text[0] == '-';
	uint64_t size = 0;
	int64_t number;
	int rc;

	if (text[0] == '-' || text[0] == '+')
		text++;
	if (text[0] == 0 || text[strspn(text, "0123456789")] != 0)
		return -EINVAL;
	rc = digits_read(&text, &size);
	if (rc < 0)
		return rc;
	if (size > INT64_MAX)
		return -ERANGE;
	number = negative ? -(int64_t)size : (int64_t)size;
	if (number < min || number > max)
		return -ERANGE;
	*out = number;
	return 0;
}

/* --- durations --- */

static int unit_read(const char **text, uint64_t *ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{"ns", 1},
		{"us", 1000},
		{"\xc2\xb5s", 1000}, /* micro sign */
		{"\xce\xbcs", 1000}, /* Greek mu */
		{"ms", 1000000},
		{"s", 1000000000},
		{"m", 60000000000},
		{"h", 3600000000000},
	};

	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(*text, units[i].name, len) != 0)
			continue;
		*text += len;
		*ns = units[i].ns;
		return 0;
	}
	return -EINVAL;
}

/* Digits behind the point; those beyond nanoseconds of an hour do not count. */
static double fraction_read(const char **text)
{
	double value = 0, scale = 1;

	for (; is_digit(**text); (*text)++) {
		if (scale > 1e15)
			continue;
		scale *= 10;
		value = value * 10 + (**text - '0');
	}
	return value / scale;
}

/* One "1.5h" of a duration, added to *total. */
static int duration_part(const char **text, uint64_t *total)
{
	bool point = (*text)[0] == '.';
	uint64_t whole = 0, ns, part;
	double fraction = 0;
	int rc;

	if (!point) {
		rc = digits_read(text, &whole);
		if (rc < 0)
			return rc;
	} else if (!is_digit((*text)[1])) {
		return -EINVAL;
	}
	if (**text == '.') {
		(*text)++;
		fraction = fraction_read(text);
	}
	if (unit_read(text, &ns) < 0)
		return -EINVAL;
	if (__builtin_mul_overflow(whole, ns, &part) ||
		__builtin_add_overflow(part, (uint64_t)(fraction * (double)ns), &part) ||
		__builtin_add_overflow(*total, part, total) || *total > INT64_MAX)
		return -ERANGE;
	return 0;
}

int value_duration_ms(const char *text, int64_t *out)
{
	bool negative = text[0] == '-';
	uint64_t total = 0;
	int rc = 0;

	if (text[0] == '-' || text[0] == '+')
		text++;
	if (strcmp(text, "0") == 0) {
		*out = 0;
		return 0;
	}
	if (!text[0])
		return -EINVAL;
	while (*text && rc == 0)
		rc = duration_part(&text, &total);
	if (rc < 0)
		return rc;
	if (negative && total)
		return -ERANGE;
	*out = (int64_t)(total / 1000000);
	return 0;
}

/* Seconds with their thousandths, no zero at the end: "5s", "1.5s". */
static void seconds_text(int64_t ms, char *out, size_t cap)
{
	int len = snprintf(out, cap, "%lld.%03lld", (long long)(ms / 1000), (long long)(ms % 1000));

	while (out[len - 1] == '0')
		len--;
	if (out[len - 1] == '.')
		len--;
	out[len] = 's';
	out[len + 1] = 0;
}

const char *value_duration_text(int64_t ms, char buf[VALUE_DURATION_TEXT_MAX])
{
	long long hours = ms / 3600000, minutes = ms / 60000 % 60;
	int len = 0;

	if (ms > 0 && ms < 1000) {
		snprintf(buf, VALUE_DURATION_TEXT_MAX, "%dms", (int)ms);
		return buf;
	}
	if (hours)
		len = snprintf(buf, VALUE_DURATION_TEXT_MAX, "%lldh%lldm", hours, minutes);
	else if (minutes)
		len = snprintf(buf, VALUE_DURATION_TEXT_MAX, "%lldm", minutes);
	seconds_text(ms % 60000, buf + len, VALUE_DURATION_TEXT_MAX - (size_t)len);
	return buf;
}

/* --- sizes --- */

int value_size(const char *text, uint64_t *out)
{
	static const char units[] = "kmgt";
	uint64_t size;
	unsigned shift = 0;
	int rc = digits_read(&text, &size);
	char unit = (char)(*text | 0x20);

	if (rc < 0)
		return rc;
	if (*text && strchr(units, unit)) {
		shift = 10 * (unsigned)(strchr(units, unit) - units + 1);
		text++;
		if (*text == 'i')
			text++;
	}
	if (*text == 'B' || *text == 'b')
		text++;
	if (*text)
		return -EINVAL;
	if (size > UINT64_MAX >> shift)
		return -ERANGE;
	*out = size << shift;
	return 0;
}

/* --- addresses --- */

static int scope_read(const char *text, uint32_t *out)
{
	int64_t number;
	unsigned index = if_nametoindex(text);

	if (index == 0 && value_number(text, 1, UINT32_MAX, &number) == 0)
		index = (unsigned)number;
	if (index == 0)
		return -EINVAL;
	*out = index;
	return 0;
}

static int address6_read(const char *text, struct value_address *out)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	struct value_address address = {.family = AF_INET6};
	const char *percent = strchr(text, '%');
	char host[INET6_ADDRSTRLEN];
	size_t len = percent ? (size_t)(percent - text) : strlen(text);

	if (len >= sizeof host)
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = 0;
	if (inet_pton(AF_INET6, host, address.bytes) != 1)
		return -EINVAL;
	if (percent && scope_read(percent + 1, &address.scope) < 0)
		return -EINVAL;
	if (!percent && memcmp(address.bytes, mapped, sizeof mapped) == 0) {
		address.family = AF_INET;
		memmove(address.bytes, address.bytes + 12, 4);
		memset(address.bytes + 4, 0, 12);
	}
	*out = address;
	return 0;
}

int value_address(const char *text, struct value_address *out)
{
	struct value_address address = {.family = AF_INET};

	if (strchr(text, ':'))
		return address6_read(text, out);
	if (inet_pton(AF_INET, text, address.bytes) != 1)
		return -EINVAL;
	*out = address;
	return 0;
}

/* A host name, or an address in dots. Digits alone are a port without its colon. */
static bool host_is_valid(const char *host)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";

	return host[strspn(host, allowed)] == 0 && host[strspn(host, "0123456789")] != 0;
}

static int endpoint_host(const char *from, size_t len, bool bracketed, struct value_endpoint *out)
{
	struct value_address address;

	if (len >= sizeof out->host)
		return -EINVAL;
	memcpy(out->host, from, len);
	out->host[len] = 0;
	if (bracketed)
		return value_address(out->host, &address) == 0 && strchr(out->host, ':') ? 0
											 : -EINVAL;
	return len == 0 || host_is_valid(out->host) ? 0 : -EINVAL;
}

int value_endpoint(const char *text, uint16_t default_port, struct value_endpoint *out)
{
	struct value_endpoint endpoint = {.port = default_port};
	bool bracketed = text[0] == '[';
	const char *host = bracketed ? text + 1 : text;
	const char *behind = strchr(host, bracketed ? ']' : ':');
	size_t len = behind ? (size_t)(behind - host) : strlen(host);
	int64_t port;

	if (bracketed && !behind)
		return -EINVAL;
	if (bracketed)
		behind++;
	if (endpoint_host(host, len, bracketed, &endpoint) < 0)
		return -EINVAL;
	if (!behind || !*behind) {
		if (default_port == 0 || !endpoint.host[0])
			return -EINVAL;
	} else {
		if (*behind != ':' || !is_digit(behind[1]) ||
			value_number(behind + 1, 0, UINT16_MAX, &port) < 0)
			return -EINVAL;
		endpoint.port = (uint16_t)port;
	}
	*out = endpoint;
	return 0;
}

int value_prefix(const char *text, struct value_prefix *out)
{
	struct value_prefix prefix;
	const char *slash = strchr(text, '/');
	char host[INET6_ADDRSTRLEN];
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	int64_t bits, most;

	if (len >= sizeof host || memchr(text, '%', len))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = 0;
	if (value_address(host, &prefix.address) < 0)
		return -EINVAL;
	most = bits = prefix.address.family == AF_INET ? 32 : 128;
	if (slash && (!is_digit(slash[1]) || value_number(slash + 1, 0, 128, &bits) < 0))
		return -EINVAL;
	/* ::ffff:10.0.0.0/104 is 10.0.0.0/8. */
	if (slash && most == 32 && strchr(host, ':'))
		bits -= 96;
	if (bits < 0 || bits > most)
		return -EINVAL;
	prefix.bits = (unsigned)bits;
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = prefix.bits > 8 * i ? prefix.bits - 8 * i : 0;

		if (keep < 8)
			prefix.address.bytes[i] &= (uint8_t)(0xff00u >> keep);
	}
	*out = prefix;
	return 0;
}
