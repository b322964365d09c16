/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_port.h"

#include <string.h>

#define NUMBER_MAX 65535

/* Strings that need no copy; the first is what an absent protocol means. */
static const char *const constants[] = {"TCP", "UDP", "SCTP", ""};

static const char *constant_find(const char *text)
{
	for (size_t i = 0; i < sizeof constants / sizeof constants[0]; i++) {
		if (strcmp(text, constants[i]) == 0)
			return constants[i];
	}
	return NULL;
}

/* The texts are still the tree's. A port that is not an object reads as an empty
 * one. */
static struct port port_read(struct decoder *d, const cJSON *tree)
{
	const char *name = tree_text(d, tree, "name"), *protocol = tree_text(d, tree, "protocol");

	return (struct port){
		.number = tree_number(d, tree, "port", -1),
		.name = name ? name : "",
		.protocol = protocol && *protocol ? protocol : constants[0],
	};
}

static size_t text_size(const char *text)
{
	return constant_find(text) ? 0 : strlen(text) + 1;
}

void ports_measure(struct decoder *d, const cJSON *list, struct port_sizes *sizes)
{
	size_t count = 0;
	const cJSON *each;

	cJSON_ArrayForEach (each, list) {
		const struct port port = port_read(d, each);

		if (!cJSON_IsObject(each))
			decoder_refuse(d, "an entry of ports is not an object");
		else if (port.number > NUMBER_MAX)
			decoder_refuse(d, "port %d is beyond %d", (int)port.number, NUMBER_MAX);
		sizes->text += text_size(port.name) + text_size(port.protocol);
		count++;
	}
	if (count > UINT16_MAX)
		decoder_refuse(d, "more than %d ports", UINT16_MAX);
	sizes->ports += count;
}

static const char *text_pack(struct pack *pack, const char *text)
{
	const char *constant = constant_find(text);

	return constant ? constant : pack_text(pack, text);
}

uint16_t ports_pack(struct decoder *d, struct pack *pack, const cJSON *list, struct port *at)
{
	uint16_t count = 0;
	const cJSON *each;

	cJSON_ArrayForEach (each, list) {
		struct port port = port_read(d, each);

		port.name = text_pack(pack, port.name);
		port.protocol = text_pack(pack, port.protocol);
		at[count++] = port;
	}
	return count;
}

static bool port_equal(const struct port *a, const struct port *b)
{
	return a->number == b->number && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->protocol, b->protocol) == 0;
}

bool ports_equal(struct decoder *d, const cJSON *a, const cJSON *b)
{
	const cJSON *one = a ? a->child : NULL, *other = b ? b->child : NULL;

	for (; one && other; one = one->next, other = other->next) {
		const struct port left = port_read(d, one), right = port_read(d, other);

		if (!port_equal(&left, &right))
			return false;
	}
	return !one && !other;
}
