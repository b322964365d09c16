/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_WIRE_NAME_H
#define BINNACLE_DNS_WIRE_NAME_H

/* Domain names in wire form (RFC 1035 section 3.1): length-prefixed labels and
 * the root's zero byte, at most 255 bytes. "Canonical" means ASCII letters in
 * lower case (RFC 4343) and no compression.
 *
 *	"a.Bc."  ->  01 61 02 42 43 00      canonical: 01 61 02 62 63 00
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_MAX_LEN    255 /* wire bytes, the root label included */
#define NAME_MAX_LABEL  63
#define NAME_MAX_LABELS 128  /* the root not counted: 127 */
#define NAME_TEXT_MAX   1021 /* presentation form with every byte escaped, and NUL */

struct name {
	uint8_t len;    /* wire bytes, 1 for the root */
	uint8_t labels; /* the root not counted */
	uint8_t wire[NAME_MAX_LEN];
};

/* Read presentation form (RFC 1035 section 5.1: \. and \DDD escapes; a final
 * dot is optional, "." and "" are the root). 0, or -EINVAL (empty label, label
 * over 63, bad escape) or -ENAMETOOLONG; out is untouched then. Case is kept. */
int name_from_text(const char *text, size_t len, struct name *out);

/* Write presentation form with a final dot, everything but letters, digits, and
 * -_/:*+=~@ escaped as RFC 1035 says (\. and \\ by a backslash, else \DDD).
 * wire must be a valid uncompressed name. Always terminates; returns the
 * length, at most NAME_TEXT_MAX - 1. */
size_t name_to_text(const uint8_t *wire, char *text, size_t cap);

/* Check an uncompressed wire name in at most len bytes: its length, or 0. */
size_t name_wire_check(const uint8_t *wire, size_t len);

/* Copy len bytes, lowering ASCII letters; length bytes are below 64 and so
 * not touched. to may be from. */
void name_lower(uint8_t *to, const uint8_t *from, size_t len);

/* Equal, letter case ignored. Both valid uncompressed names. */
bool name_equal(const uint8_t *a, const uint8_t *b);

/* True if name is zone or below it, letter case ignored. */
bool name_below(const struct name *name, const struct name *zone);

/* A label that the DNS and Kubernetes both take as host name part: letters,
 * digits and '-', not first or last, 1 to 63 bytes (RFC 1123 section 2.1). */
bool name_label_is_host(const char *label, size_t len);

/* 0, -EINVAL or -ENAMETOOLONG: put "label." in front of wire name tail. */
int name_prepend(struct name *name, const char *label, size_t len);

/* Keyed hash for tables that hostile names may reach (SipHash-1-3). The key is
 * 16 bytes from the kernel's generator. */
uint64_t name_hash(const uint8_t *data, size_t len, const uint8_t key[16]);

#endif
