/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_HOSTS_TEXT_H
#define BINNACLE_DNS_PLUGIN_HOSTS_TEXT_H

/* Text in the form of hosts(5): an address and its names on each line, a comment behind
 * '#'. What cannot be read is passed over, and the first of it is remembered. */

#include "hosts_table.h"

#define HOSTS_FAULTS_MAX 5
#define HOSTS_FAULT_TEXT 64

enum hosts_fault_kind { HOSTS_NO_ADDRESS, HOSTS_NO_NAME, HOSTS_BAD_NAME };

struct hosts_fault {
	unsigned line; /* from 1 */
	enum hosts_fault_kind kind;
	char text[HOSTS_FAULT_TEXT]; /* the word, cut to what fits; any bytes but NUL */
};

struct hosts_faults {
	struct hosts_fault first[HOSTS_FAULTS_MAX];
	size_t count; /* all there were */
};

/* An address as a hosts file has it: the interface of "fe80::1%eth0" means nothing to
 * others and is dropped. 0 or -EINVAL. */
int hosts_address(const char *text, size_t len, struct value_address *out);

/* Add what the text says to the builder, and what it says wrongly to faults. 0, or what
 * hosts_builder_add() failed with. */
int hosts_text_read(
	const char *text, size_t len, struct hosts_builder *builder, struct hosts_faults *faults);

/* "'x' is no address; the line is passed over", for a log. */
const char *hosts_fault_says(enum hosts_fault_kind kind);

#endif
