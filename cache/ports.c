/* SPDX-License-Identifier: Apache-2.0 */
#include "ports.h"

#include <string.h>

/* A label without the underscore it may begin with (RFC 2782; CoreDNS takes it
 * without, too). */
static bool label_bare(const uint8_t *label, const uint8_t **text, uint8_t *len)
{
	const bool underscore = label[0] && label[1] == '_';

	*text = label + 1 + underscore;
	*len = (uint8_t)(label[0] - underscore);
	return *len > 0;
}

static bool text_is(const uint8_t *have, const uint8_t *text, uint8_t len)
{
	return have[0] == len && memcmp(have + 1, text, len) == 0;
}

static const uint8_t *port_name(const struct port_set *set, const struct port_record *port)
{
	return ports_labels(set, (unsigned)(port - set->ports));
}

static const uint8_t *port_protocol(const struct port_set *set, const struct port_record *port)
{
	const uint8_t *name = port_name(set, port);

	return name + 1 + name[0];
}

bool ports_wanted(const uint8_t *name, const uint8_t *protocol, struct port_wanted *out)
{
	return label_bare(name, &out->name, &out->name_len) &&
	       label_bare(protocol, &out->protocol, &out->protocol_len);
}

bool ports_match(const struct port_set *set, const struct port_record *port,
	const struct port_wanted *wanted)
{
	return !wanted->name ||
	       (text_is(port_name(set, port), wanted->name, wanted->name_len) &&
		       text_is(port_protocol(set, port), wanted->protocol, wanted->protocol_len));
}

unsigned ports_count(const struct port_set *set, unsigned group, const struct port_wanted *wanted)
{
	const struct port_group *of = ports_groups(set) + group;
	unsigned count = 0;

	for (unsigned i = 0; i < of->count; i++)
		count += ports_match(set, &set->ports[of->first + i], wanted);
	return count;
}

unsigned ports_candidates(
	const struct port_set *set, unsigned group, const struct port_wanted *wanted)
{
	const struct port_group *of = ports_groups(set) + group;
	unsigned count = 0;

	for (unsigned i = 0; i < of->count; i++) {
		const struct port_record *port = &set->ports[of->first + i];

		count += ports_match(set, port, wanted) ? port->times : 0u;
	}
	return count;
}

bool ports_has_protocol(const struct port_set *set, const uint8_t *label)
{
	const uint8_t *text;
	uint8_t len;

	if (!label_bare(label, &text, &len))
		return false;
	for (unsigned i = 0; i < set->port_count; i++) {
		const struct port_record *port = &set->ports[i];

		if (port_name(set, port)[0] && text_is(port_protocol(set, port), text, len))
			return true;
	}
	return false;
}
