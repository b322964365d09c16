/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a hosts file: a table comes of it in which every address of a plain line is
 * found below its name and back. */

#include "dns/plugin/hosts_text.h"
#include "dns/wire/type.h"

#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static const struct hosts_node *ask(const struct hosts_table *table, const char *name,
	uint16_t type, enum hosts_kind kind, struct reply *reply)
{
	static uint8_t asked[QUERY_ASKED_MAX], buf[DNS_UDP_DEFAULT];
	static struct query query;
	const struct hosts_node *node;
	struct name wire;

	CHECK(name_from_text(name, strlen(name), &wire) == 0);
	query_make(wire.wire, wire.len, type, asked, &query);
	reply_begin(reply, &query, buf, sizeof buf);
	node = hosts_table_find(table, &query);
	if (node)
		hosts_table_put(table, node, kind, 5, reply);
	CHECK(reply->len <= reply->end);
	return node;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char line[] = "\n192.0.2.77 fuzz.example fuzz.example\n";
	static const struct name root = {.len = 1};
	const struct hosts_rules rules = {
		.zones = &root, .zone_count = 1, .reverse = true, .records_max = HOSTS_RECORDS_MAX};
	struct hosts_builder *builder = hosts_builder_new(&rules);
	struct hosts_faults faults = {0};
	struct hosts_table *table;
	struct reply reply;
	char *text = malloc(size + sizeof line);

	CHECK(builder && text);
	memcpy(text, data, size);
	memcpy(text + size, line, sizeof line);
	CHECK(hosts_text_read(text, size + sizeof line - 1, builder, &faults) == 0);
	for (size_t i = 0; i < faults.count && i < HOSTS_FAULTS_MAX; i++)
		CHECK(faults.first[i].line > 0 && strlen(faults.first[i].text) < HOSTS_FAULT_TEXT);
	CHECK(hosts_builder_end(builder, &table) == 0);
	hosts_builder_free(builder);
	CHECK(ask(table, "fuzz.example", TYPE_A, HOSTS_A, &reply));
	CHECK(reply.count[REPLY_ANSWER] >= 1);
	CHECK(ask(table, "77.2.0.192.in-addr.arpa", TYPE_PTR, HOSTS_PTR, &reply));
	CHECK(reply.count[REPLY_ANSWER] >= 1);
	ask(table, "a", TYPE_AAAA, HOSTS_AAAA, &reply);
	ask(table, "x.a", TYPE_A, HOSTS_A, &reply);
	hosts_table_free(table);
	free(text);
	return 0;
}
