/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_DASHED_H
#define BINNACLE_CACHE_DASHED_H

/* Endpoint names made of an address: its text with '.' and ':' turned into '-'.
 *
 *	10.1.2.3      10-1-2-3
 *	2001:db8::1   2001-db8--1
 *	2001:db8::    2001-db8--0   (a final '-' gets a '0' behind it)
 *	::1           --1
 *
 * The text of an IPv6 address is that of RFC 5952 section 4. Each address has
 * exactly one spelling, and dashed_parse() takes no other, so that a name
 * exists once or not at all. No allocation, any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DASHED_MAX 41 /* the longest label and its NUL */

/* Writes the label and a NUL; returns its length. family is 4 or 6. */
size_t dashed_format(uint8_t family, const uint8_t *addr, char out[DASHED_MAX]);

/* The family (4 or 6) and the address the label stands for, or 0 (addr
 * untouched). Letters must be in lower case. */
uint8_t dashed_parse(const uint8_t *label, size_t len, uint8_t addr[16]);

/* The same for names that may spell any address (those of pods): with three
 * dashes, no two of them in a row, it is an IPv4 address, otherwise an IPv6 one,
 * in any spelling that inet_pton() reads. 0: no address. */
uint8_t dashed_read(const uint8_t *label, size_t len, uint8_t addr[16]);

/* True if the label is the one spelling of an address that names of verified Pods
 * have: that of dashed_format(), or the same without the '0' behind a final '-'. */
bool dashed_is_usual(const uint8_t *label, size_t len, uint8_t family, const uint8_t *addr);

#endif
