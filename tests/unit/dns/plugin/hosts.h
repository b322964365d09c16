/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_PLUGIN_HOSTS_H
#define BINNACLE_TESTS_PLUGIN_HOSTS_H

/* Questions to the table of a hosts file, and what comes out as text:
 * "10.0.0.1 10.0.0.2", "a. b." */

#include "dns/plugin/hosts_table.h"
#include "dns/wire/bytes.h"
#include "question.h"

#include <stdio.h>

/* The records of Answer. Each has the question's name as its owner. */
static inline const char *hosts_records(const struct reply *reply, uint32_t ttl_s)
{
	static char text[4096];
	const uint8_t *at = reply->buf + reply->body;
	size_t len = 0;

	text[0] = 0;
	for (unsigned i = 0; i < reply->count[REPLY_ANSWER]; i++) {
		const size_t rdata_len = (size_t)(at[10] << 8 | at[11]);
		struct bytes_in in = bytes_in(at + 6, 4);
		const unsigned type = (unsigned)(at[2] << 8 | at[3]);

		assert_int_equal(at[0] << 8 | at[1], 0xc000 | DNS_HEADER_LEN);
		assert_int_equal(bytes_get_u32(&in), ttl_s);
		if (len)
			text[len++] = ' ';
		if (type == TYPE_PTR)
			len += name_to_text(at + 12, text + len, sizeof text - len);
		else
			len += strlen(inet_ntop(type == TYPE_A ? AF_INET : AF_INET6, at + 12,
				text + len, (socklen_t)(sizeof text - len)));
		at += 12 + rdata_len;
	}
	assert_ptr_equal(at, reply->buf + reply->len);
	assert_int_equal(reply->count[REPLY_AUTHORITY] + reply->count[REPLY_ADDITIONAL], 0);
	return text;
}

/* "none" where the table has no such name. */
static inline const char *hosts_table_says(
	const struct hosts_table *table, const char *name, uint16_t type)
{
	static struct question q;
	const struct hosts_node *node;

	question_init(&q, name, type, 0, false, true);
	node = hosts_table_find(table, &q.query);
	if (!node)
		return "none";
	hosts_table_put(table, node,
		type == TYPE_PTR ? HOSTS_PTR
		: type == TYPE_A ? HOSTS_A
				 : HOSTS_AAAA,
		7, &q.reply);
	return hosts_records(&q.reply, 7);
}

/* A file in a folder of its own, written in one step. */
static inline void hosts_write(const char *path, const char *text)
{
	char made[256];
	FILE *file;

	snprintf(made, sizeof made, "%s.new", path);
	file = fopen(made, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(made, path), 0);
}

#endif
