/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"

#include <stdlib.h>
#include <string.h>

void object_free(struct object *object)
{
	free(object);
}

static bool text_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* memcmp with NULL and no bytes is undefined. */
static bool bytes_same(const void *a, const void *b, size_t len)
{
	return len == 0 || memcmp(a, b, len) == 0;
}

static bool ips_same(const struct ip *a, unsigned a_count, const struct ip *b, unsigned b_count)
{
	if (a_count != b_count)
		return false;
	for (unsigned i = 0; i < a_count; i++) {
		const size_t len = a[i].family == 4 ? 4 : 16;

		if (a[i].family != b[i].family || memcmp(a[i].bytes, b[i].bytes, len) != 0)
			return false;
	}
	return true;
}

static bool ports_same(
	const struct port *a, unsigned a_count, const struct port *b, unsigned b_count)
{
	if (a_count != b_count)
		return false;
	for (unsigned i = 0; i < a_count; i++) {
		if (a[i].number != b[i].number || !text_same(a[i].name, b[i].name) ||
			!text_same(a[i].protocol, b[i].protocol))
			return false;
	}
	return true;
}

static bool groups_same(const struct endpoint_slice *a, const struct endpoint_slice *b)
{
	if (a->group_count != b->group_count)
		return false;
	for (unsigned i = 0; i < a->group_count; i++) {
		const struct slice_group *one = &a->groups[i], *other = &b->groups[i];

		if (one->v4_count != other->v4_count || one->v6_count != other->v6_count ||
			!ports_same(one->ports, one->port_count, other->ports, other->port_count))
			return false;
	}
	return true;
}

static bool texts_same(const char *const *a, const char *const *b, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!text_same(a ? a[i] : NULL, b ? b[i] : NULL))
			return false;
	}
	return true;
}

static bool service_same(const struct service *a, const struct service *b)
{
	return a->type == b->type && ips_same(a->ips, a->ip_count, b->ips, b->ip_count) &&
	       ports_same(a->ports, a->port_count, b->ports, b->port_count) &&
	       text_same(a->external_name, b->external_name) &&
	       ips_same(a->external_ips, a->external_ip_count, b->external_ips,
		       b->external_ip_count) &&
	       a->external_host_count == b->external_host_count &&
	       texts_same(a->external_hosts, b->external_hosts, a->external_host_count);
}

static bool slice_same(const struct endpoint_slice *a, const struct endpoint_slice *b)
{
	return a->v4_count == b->v4_count && a->v6_count == b->v6_count &&
	       a->unready == b->unready && text_same(a->service, b->service) &&
	       text_same(a->cluster, b->cluster) && groups_same(a, b) &&
	       bytes_same(a->v4, b->v4, 4 * (size_t)a->v4_count) &&
	       bytes_same(a->v6, b->v6, 16 * (size_t)a->v6_count) &&
	       texts_same(a->v4_hostnames, b->v4_hostnames, a->v4_count) &&
	       texts_same(a->v6_hostnames, b->v6_hostnames, a->v6_count) &&
	       texts_same(a->v4_zones, b->v4_zones, a->v4_count) &&
	       texts_same(a->v6_zones, b->v6_zones, a->v6_count);
}

static bool pod_same(const struct pod *a, const struct pod *b)
{
	return ips_same(a->ips, a->ip_count, b->ips, b->ip_count);
}

bool object_same(const struct object *a, const struct object *b)
{
	if (a->kind != b->kind || !text_same(a->ns, b->ns) || !text_same(a->name, b->name))
		return false;
	switch ((enum object_kind)a->kind) {
	case KIND_SERVICE:
	case KIND_IMPORT:
		return service_same((const struct service *)a, (const struct service *)b);
	case KIND_SLICE:
	case KIND_IMPORT_SLICE:
		return slice_same(
			(const struct endpoint_slice *)a, (const struct endpoint_slice *)b);
	case KIND_POD:
		return pod_same((const struct pod *)a, (const struct pod *)b);
	case KIND_NAMESPACE:
	case KIND_COUNT:
		break;
	}
	return true;
}

const char *object_kind_name(enum object_kind kind)
{
	static const char *const names[KIND_COUNT] = {
		[KIND_NAMESPACE] = "namespaces",
		[KIND_SERVICE] = "services",
		[KIND_SLICE] = "endpointslices",
		[KIND_POD] = "pods",
		[KIND_IMPORT] = "serviceimports",
		[KIND_IMPORT_SLICE] = "imported endpointslices",
	};

	return (unsigned)kind < KIND_COUNT ? names[kind] : "?";
}
