/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_WIRE_TYPE_H
#define BINNACLE_DNS_WIRE_TYPE_H

/* RR types and classes: numbers and names. One row per type in types.def. */

#include <stddef.h>
#include <stdint.h>

enum dns_type {
#define TYPE(name, number, rdata) TYPE_##name = number,
#include "types.def"
#undef TYPE
};

enum dns_class { CLASS_IN = 1, CLASS_CH = 3, CLASS_HS = 4, CLASS_NONE = 254, CLASS_ANY = 255 };

/* "A", "HTTPS", or "TYPE65280" (RFC 3597 section 5) written to buf. */
#define TYPE_TEXT_MAX 12
const char *type_to_text(uint16_t type, char buf[TYPE_TEXT_MAX]);

/* "IN", "CH", or "CLASS42". */
const char *class_to_text(uint16_t class, char buf[TYPE_TEXT_MAX]);

/* "NOERROR", "NXDOMAIN", or "RCODE23". */
const char *rcode_to_text(uint16_t rcode, char buf[TYPE_TEXT_MAX]);

/* Where names lie in a type's rdata, as types.def writes it; "" for types that have no
 * row too. */
const char *type_rdata(uint16_t type);

/* The number of "AAAA" or "TYPE65280", letter case ignored; -1: neither. */
int type_from_text(const char *text, size_t len);

#endif
