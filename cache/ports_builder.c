/* SPDX-License-Identifier: Apache-2.0 */
#include "ports_builder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dns/wire/name.h"
#include "ports.h"

/* A set counts its ports and groups with 16 bits. What is more is not told apart:
 * only somebody who writes slices by hand gets there. */
#define COUNT_MAX UINT16_MAX
/* Above this, equal ports of different lists are not looked for. */
#define UNION_SORT_MAX 256
#define NO_GROUP       UINT32_MAX
#define KEEP_ELEMENTS  4096

static bool grow(struct ports_builder *builder, void *array, size_t *cap, size_t need, size_t size)
{
	void **at = array;
	size_t fresh = *cap ? *cap : 8;
	void *moved;

	if (builder->error)
		return false;
	if (need <= *cap)
		return true;
	while (fresh < need)
		fresh *= 2;
	moved = realloc(*at, fresh * size);
	if (!moved) {
		builder->error = -ENOMEM;
		return false;
	}
	*at = moved;
	*cap = fresh;
	return true;
}

#define GROW(builder, array, cap, need)                                                            \
	grow(builder, &(builder)->array, &(builder)->cap, need, sizeof *(builder)->array)

void ports_builder_free(struct ports_builder *builder)
{
	free(builder->lists);
	free(builder->groups);
	free(builder->refs);
	free(builder->group_of);
	free(builder->open);
	free(builder->shared);
	*builder = (struct ports_builder){.error = 0};
}

void ports_builder_reset(struct ports_builder *builder)
{
	if (builder->list_cap + builder->group_cap + builder->ref_cap + builder->member_cap +
			builder->open_cap + builder->shared_cap >
		KEEP_ELEMENTS)
		ports_builder_free(builder);
	builder->list_count = builder->group_count = builder->ref_count = 0;
	builder->member_count = builder->open_count = builder->shared_count = 0;
	builder->error = 0;
}

static bool port_same(const struct port *a, const struct port *b)
{
	return a->number == b->number && strcasecmp(a->name, b->name) == 0 &&
	       strcasecmp(a->protocol, b->protocol) == 0;
}

static bool list_same(const struct ports_list *list, const struct port *ports, uint32_t count)
{
	if (list->count != count)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (!port_same(&list->ports[i], &ports[i]))
			return false;
	}
	return true;
}

/* No ports at all count as one that nobody can ask for, as in CoreDNS. */
static const struct port no_port = {-1, "", ""};

uint32_t ports_builder_list(struct ports_builder *builder, const struct port *ports, uint32_t count)
{
	const size_t last = builder->list_count;

	if (!count) {
		ports = &no_port;
		count = 1;
	}
	if (last && list_same(&builder->lists[last - 1], ports, count))
		return (uint32_t)(last - 1);
	if (last && list_same(&builder->lists[0], ports, count))
		return 0;
	if (!GROW(builder, lists, list_cap, last + 1))
		return 0;
	builder->lists[last] = (struct ports_list){ports, count, NO_GROUP};
	builder->list_count++;
	return (uint32_t)last;
}

/* The port in the group that begins with the ref at `first`; NULL: not there. */
static struct ports_ref *ref_find(
	const struct ports_builder *builder, size_t first, const struct port *port)
{
	if (builder->ref_count - first > UNION_SORT_MAX)
		return NULL;
	for (size_t i = first; i < builder->ref_count; i++) {
		if (port_same(builder->refs[i].port, port))
			return &builder->refs[i];
	}
	return NULL;
}

static void refs_add(
	struct ports_builder *builder, size_t first, const struct ports_list *list, bool unite)
{
	if (!GROW(builder, refs, ref_cap, builder->ref_count + list->count))
		return;
	for (uint32_t i = 0; i < list->count; i++) {
		struct ports_ref *known = unite ? ref_find(builder, first, &list->ports[i]) : NULL;

		if (!known)
			builder->refs[builder->ref_count++] =
				(struct ports_ref){&list->ports[i], 1};
		else if (known->times < UINT16_MAX)
			known->times++;
	}
}

/* A group of n lists; NO_GROUP: no room for it, or no memory. */
static uint32_t group_add(struct ports_builder *builder, const uint32_t *lists, size_t n)
{
	const size_t first = builder->ref_count;
	size_t more = 0;

	for (size_t i = 0; i < n; i++)
		more += builder->lists[lists[i]].count;
	if (first + more > COUNT_MAX || builder->group_count == COUNT_MAX ||
		!GROW(builder, groups, group_cap, builder->group_count + 1))
		return NO_GROUP;
	for (size_t i = 0; i < n; i++)
		refs_add(builder, first, &builder->lists[lists[i]], n > 1);
	builder->groups[builder->group_count] =
		(struct ports_range){(uint32_t)first, (uint32_t)(builder->ref_count - first)};
	return (uint32_t)builder->group_count++;
}

static uint32_t group_of_one(struct ports_builder *builder, uint32_t list)
{
	struct ports_list *of = &builder->lists[list];

	if (of->group == NO_GROUP)
		of->group = group_add(builder, &list, 1);
	return of->group;
}

static uint32_t group_of_several(struct ports_builder *builder)
{
	const size_t n = builder->open_count;
	uint32_t group;

	if (n == builder->shared_count &&
		memcmp(builder->open, builder->shared, n * sizeof *builder->open) == 0)
		return builder->shared_group;
	group = group_add(builder, builder->open, n);
	if (group == NO_GROUP)
		return group_of_one(builder, builder->open[0]);
	if (GROW(builder, shared, shared_cap, n)) {
		memcpy(builder->shared, builder->open, n * sizeof *builder->open);
		builder->shared_count = n;
		builder->shared_group = (uint16_t)group;
	}
	return group;
}

/* The endpoint under way is whole. */
static void member_close(struct ports_builder *builder)
{
	uint32_t group;

	if (builder->error || !builder->open_count)
		return;
	group = builder->open_count == 1 ? group_of_one(builder, builder->open[0])
					 : group_of_several(builder);
	if (!GROW(builder, group_of, member_cap, builder->member_count + 1))
		return;
	builder->group_of[builder->member_count++] =
		(uint16_t)(group < builder->group_count ? group : 0);
	builder->open_count = 0;
}

void ports_builder_member(struct ports_builder *builder, uint32_t list, bool fresh)
{
	size_t at;

	if (fresh)
		member_close(builder);
	for (at = 0; at < builder->open_count && builder->open[at] < list; at++)
		;
	if (!GROW(builder, open, open_cap, builder->open_count + 1))
		return;
	memmove(&builder->open[at + 1], &builder->open[at],
		(builder->open_count - at) * sizeof *builder->open);
	builder->open[at] = list;
	builder->open_count++;
}

/* All but the last are as the second, which shows what that is: most endpoints have one list. */
void ports_builder_members(struct ports_builder *builder, uint32_t list, bool fresh, size_t n)
{
	uint16_t *group_of, group;

	ports_builder_member(builder, list, fresh);
	if (n > 1)
		ports_builder_member(builder, list, true);
	if (n <= 2)
		return;
	member_close(builder);
	if (!GROW(builder, group_of, member_cap, builder->member_count + n))
		return;
	group_of = builder->group_of + builder->member_count;
	group = group_of[-1];
	for (size_t i = 0; i < n - 3; i++)
		group_of[i] = group;
	builder->member_count += n - 3;
	ports_builder_member(builder, list, true);
}

/* ---- the bytes ---- */

/* What cannot be a label is nobody's name. */
static size_t text_len(const char *text)
{
	const size_t len = strnlen(text, NAME_MAX_LABEL + 1);

	return len > NAME_MAX_LABEL ? 0 : len;
}

static uint8_t *text_put(uint8_t *at, const char *text)
{
	const size_t len = text_len(text);

	*at++ = (uint8_t)len;
	name_lower(at, (const uint8_t *)text, len);
	return at + len;
}

static size_t texts_len(const struct ports_builder *builder)
{
	size_t len = 0;

	for (size_t i = 0; i < builder->ref_count; i++)
		len += 2 + text_len(builder->refs[i].port->name) +
		       text_len(builder->refs[i].port->protocol);
	return len;
}

static void set_fill(const struct ports_builder *builder, struct port_set *set, size_t size)
{
	const bool many = builder->group_count > 1;
	void *at = set->ports + builder->ref_count;
	struct port_group *groups = at;
	uint16_t *group_of = (void *)(groups + builder->group_count);
	uint8_t *text = (void *)(group_of + (many ? builder->member_count : 0));

	set->bytes = (uint32_t)size;
	set->port_count = (uint16_t)builder->ref_count;
	set->group_count = (uint16_t)builder->group_count;
	for (size_t i = 0; i < builder->group_count; i++)
		groups[i] = (struct port_group){
			(uint16_t)builder->groups[i].first, (uint16_t)builder->groups[i].count};
	if (many)
		memcpy(group_of, builder->group_of, builder->member_count * sizeof *group_of);
	for (size_t i = 0; i < builder->ref_count; i++) {
		set->ports[i].times = builder->refs[i].times;
		set->ports[i].number = builder->refs[i].port->number;
		set->ports[i].text_at = (uint32_t)(text - (uint8_t *)set);
		text = text_put(text, builder->refs[i].port->name);
		text = text_put(text, builder->refs[i].port->protocol);
	}
}

static bool has_ports(const struct ports_builder *builder)
{
	for (size_t i = 0; i < builder->ref_count; i++) {
		if (builder->refs[i].port != &no_port)
			return true;
	}
	return false;
}

void ports_builder_write(struct ports_builder *builder, struct draft *draft, enum entry_slot slot)
{
	struct port_set *set;
	size_t size;

	member_close(builder);
	if (builder->error && !draft->error)
		draft->error = builder->error;
	if (draft->error || !has_ports(builder))
		return;
	size = sizeof *set + builder->ref_count * sizeof set->ports[0] +
	       builder->group_count * sizeof(struct port_group) + texts_len(builder);
	if (builder->group_count > 1)
		size += builder->member_count * sizeof(uint16_t);
	set = draft_block(draft, slot, size);
	if (set)
		set_fill(builder, set, size);
}
