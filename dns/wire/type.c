/* SPDX-License-Identifier: Apache-2.0 */
#include "type.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct text_row {
	const char *text;
	uint16_t number;
};

static const struct text_row types[] = {
#define TYPE(name, number, rdata) {#name, number},
#include "types.def"
#undef TYPE
};

static const struct text_row layouts[] = {
#define TYPE(name, number, rdata) {rdata, number},
#include "types.def"
#undef TYPE
};

/* IANA "DNS CLASSes". */
static const struct text_row classes[] = {{"IN", CLASS_IN}, {"CH", CLASS_CH}, {"HS", CLASS_HS},
	{"NONE", CLASS_NONE}, {"ANY", CLASS_ANY}};

/* IANA "DNS RCODEs". */
static const struct text_row rcodes[] = {
	{"NOERROR", 0},
	{"FORMERR", 1},
	{"SERVFAIL", 2},
	{"NXDOMAIN", 3},
	{"NOTIMP", 4},
	{"REFUSED", 5},
	{"YXDOMAIN", 6},
	{"YXRRSET", 7},
	{"NXRRSET", 8},
	{"NOTAUTH", 9},
	{"NOTZONE", 10},
	{"BADVERS", 16},
	{"BADCOOKIE", 23},
};

#define ROWS(table) (sizeof(table) / sizeof *(table))

static const char *row_text(const struct text_row *rows, size_t count, uint16_t number,
	const char *prefix, char buf[TYPE_TEXT_MAX])
{
	for (size_t i = 0; i < count; i++) {
		if (rows[i].number == number)
			return rows[i].text;
	}
	snprintf(buf, TYPE_TEXT_MAX, "%s%u", prefix, (unsigned)number);
	return buf;
}

const char *type_to_text(uint16_t type, char buf[TYPE_TEXT_MAX])
{
	return row_text(types, ROWS(types), type, "TYPE", buf);
}

const char *class_to_text(uint16_t class, char buf[TYPE_TEXT_MAX])
{
	return row_text(classes, ROWS(classes), class, "CLASS", buf);
}

const char *rcode_to_text(uint16_t rcode, char buf[TYPE_TEXT_MAX])
{
	return row_text(rcodes, ROWS(rcodes), rcode, "RCODE", buf);
}

const char *type_rdata(uint16_t type)
{
	for (size_t i = 0; i < ROWS(layouts); i++) {
		if (layouts[i].number == type)
			return layouts[i].text;
	}
	return "";
}

int type_from_text(const char *text, size_t len)
{
	unsigned number = 0;

	for (size_t i = 0; i < ROWS(types); i++) {
		if (strlen(types[i].text) == len && strncasecmp(types[i].text, text, len) == 0)
			return types[i].number;
	}
	if (len < 5 || len > 9 || strncasecmp(text, "TYPE", 4) != 0)
		return -1;
	for (size_t i = 4; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		number = number * 10 + (unsigned)(text[i] - '0');
	}
	return number <= UINT16_MAX ? (int)number : -1;
}
