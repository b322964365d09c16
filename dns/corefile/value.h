/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_COREFILE_VALUE_H
#define BINNACLE_DNS_COREFILE_VALUE_H

/* Values in a Corefile: text to numbers, durations, addresses, prefixes, keys.
 * All return 0 or -EINVAL (-ERANGE outside the limits) and leave the output
 * untouched on failure. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A decimal whole number within [min, max], with or without a sign. */
int value_number(const char *text, int64_t min, int64_t max, int64_t *out);

/* A Go duration ("300ms", "1m30s", "1.5h", "0"), to milliseconds, rounded down.
 * -ERANGE: negative, or over 292 years (Go's own limit). */
int value_duration_ms(const char *text, int64_t *out);

/* As Go writes one: "5s", "1m30s", "1h0m0s", "1.5s", "300ms", "0s". ms >= 0. */
#define VALUE_DURATION_TEXT_MAX 40
const char *value_duration_text(int64_t ms, char buf[VALUE_DURATION_TEXT_MAX]);

/* Bytes: "10", "64KiB", "64k", "1M", "1GiB": a unit is a power of 1024 however it
 * is written. */
int value_size(const char *text, uint64_t *out);

struct value_address {
	int family; /* AF_INET, AF_INET6 */
	uint8_t bytes[16];
	uint32_t scope; /* of "fe80::1%eth0"; else 0 */
};
/* An IPv4 address written as IPv6 (::ffff:192.0.2.1) is the IPv4 address. */
int value_address(const char *text, struct value_address *out);

/* "host:port", "[v6]:port", ":port"; host may be "" (all). Without ":port" it is
 * default_port; -EINVAL where that is 0. Port 0 can be written (any free one). */
struct value_endpoint {
	char host[256];
	uint16_t port;
};
int value_endpoint(const char *text, uint16_t default_port, struct value_endpoint *out);

struct value_prefix {
	struct value_address address;
	unsigned bits;
};
/* "10.0.0.0/8", or an address (all its bits); host bits are cleared. */
int value_prefix(const char *text, struct value_prefix *out);

/* A server block's key: [scheme://]zone[:port] or a CIDR, which stands for the
 * reverse zones at octet (nibble) borders that cover it (CoreDNS does the same:
 * 10.0.0.0/8, 10.0.0.0/9 gives two octets' worth of zones). Zones are absolute
 * presentation names in lower case: "cluster.local.", ".", "10.in-addr.arpa.". */
enum value_scheme { SCHEME_DNS, SCHEME_TLS, SCHEME_HTTPS, SCHEME_HTTPS3, SCHEME_QUIC, SCHEME_GRPC };

struct value_key {
	enum value_scheme scheme;
	uint16_t port; /* 0: none given */
	char **zones;
	size_t zone_count;
};
int value_key(const char *text, struct value_key *out, char *err, size_t err_len);
void value_key_free(struct value_key *key);

/* The zones of "cluster.local", "CLUSTER.local." or a CIDR: as in a key, without
 * scheme and port. Appends to *zones (realloc). */
int value_zones(const char *text, char ***zones, size_t *count, char *err, size_t err_len);

#endif
