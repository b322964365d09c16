/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_WATCH_DECODE_LINE_H
#define BINNACLE_TESTS_WATCH_DECODE_LINE_H

/* Objects in, what DNS sees of them out as one line of text:
 *
 *	d/web@7 cluster 10.0.0.1 fd00::1     d/web@7 headless    d/web@7 external x.org
 *	d/web@7 cluster ports http:80/TCP :-1/UDP
 *	d/s@7 of web v4 10.1.0.1=a 10.1.0.2 v6 fd00::1 unready 2
 *	d/s@7 of web [1+0 http:80/TCP] [1+1 :81/TCP] v4 10.1.0.1 10.1.0.2 v6 fd00::1
 *
 * A group as [v4+v6 PORTS], unless it is the only one and has no ports.
 */

#include "watch/decode.h"

#include <arpa/inet.h>
#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char line[4096];
/* What the objects are read with. */
static struct decode_options line_options;

static inline void line_add(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline void line_add(const char *format, ...)
{
	const size_t len = strlen(line);
	va_list args;

	va_start(args, format);
	vsnprintf(line + len, sizeof line - len, format, args);
	va_end(args);
}

static inline void line_ip(int family, const void *bytes)
{
	char text[INET6_ADDRSTRLEN];

	assert_non_null(inet_ntop(family == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text));
	line_add(" %s", text);
}

/* Everything an object points at has to lie inside its one allocation. */
static inline void inside(const struct object *object, const void *at, size_t len)
{
	const char *start = (const char *)object, *p = at;

	if (at)
		assert_true(p >= start && p + len <= start + object->size);
}

/* The common words are constants. */
static inline void port_text_inside(const struct object *object, const char *text)
{
	if (*text && strcmp(text, "TCP") != 0 && strcmp(text, "UDP") != 0 &&
		strcmp(text, "SCTP") != 0)
		inside(object, text, strlen(text) + 1);
}

static inline void ports_line(const struct object *object, const struct port *ports, unsigned count)
{
	assert_int_equal(ports != NULL, count > 0);
	assert_int_equal((uintptr_t)ports % _Alignof(struct port), 0);
	inside(object, ports, count * sizeof *ports);
	for (unsigned i = 0; i < count; i++) {
		port_text_inside(object, ports[i].name);
		port_text_inside(object, ports[i].protocol);
		line_add(" %s:%d/%s", ports[i].name, (int)ports[i].number, ports[i].protocol);
	}
}

static inline void groups_line(const struct endpoint_slice *slice)
{
	uint32_t v4 = 0, v6 = 0;

	assert_int_equal(slice->groups != NULL, slice->group_count > 0);
	inside(&slice->head, slice->groups, slice->group_count * sizeof *slice->groups);
	for (unsigned i = 0; i < slice->group_count; i++) {
		const struct slice_group *group = &slice->groups[i];

		v4 += group->v4_count;
		v6 += group->v6_count;
		if (slice->group_count == 1 && group->port_count == 0)
			continue;
		line_add(" [%u+%u", group->v4_count, group->v6_count);
		ports_line(&slice->head, group->ports, group->port_count);
		line_add("]");
	}
	assert_int_equal(v4, slice->v4_count);
	assert_int_equal(v6, slice->v6_count);
}

static inline void slice_line(const struct endpoint_slice *slice)
{
	inside(&slice->head, slice->v4, 4 * (size_t)slice->v4_count);
	inside(&slice->head, slice->v6, 16 * (size_t)slice->v6_count);
	inside(&slice->head, slice->service, strlen(slice->service) + 1);
	line_add(" of %s", slice->service);
	assert_int_equal(slice->cluster != NULL, slice->head.kind == KIND_IMPORT_SLICE);
	if (slice->cluster) {
		inside(&slice->head, slice->cluster, strlen(slice->cluster) + 1);
		line_add(" in \"%s\"", slice->cluster);
	}
	groups_line(slice);
	line_add("%s", slice->v4_count ? " v4" : "");
	for (uint32_t i = 0; i < slice->v4_count; i++) {
		line_ip(4, slice->v4 + 4 * (size_t)i);
		if (slice->v4_hostnames && slice->v4_hostnames[i])
			line_add("=%s", slice->v4_hostnames[i]);
	}
	for (uint32_t i = 0; slice->v4_zones && i < slice->v4_count; i++)
		line_add("%s", i ? "" : " zones"),
			line_add(" %s", slice->v4_zones[i] ? slice->v4_zones[i] : "-");
	line_add("%s", slice->v6_count ? " v6" : "");
	for (uint32_t i = 0; i < slice->v6_count; i++) {
		line_ip(6, slice->v6 + 16 * (size_t)i);
		if (slice->v6_hostnames && slice->v6_hostnames[i])
			line_add("=%s", slice->v6_hostnames[i]);
	}
	for (uint32_t i = 0; slice->v6_zones && i < slice->v6_count; i++)
		line_add("%s", i ? "" : " zones"),
			line_add(" %s", slice->v6_zones[i] ? slice->v6_zones[i] : "-");
	if (slice->unready)
		line_add(" unready %u", slice->unready);
}

static inline void externals_line(const struct service *service)
{
	inside(&service->head, service->external_ips,
		service->external_ip_count * sizeof *service->external_ips);
	inside(&service->head, service->external_hosts,
		service->external_host_count * sizeof *service->external_hosts);
	assert_int_equal((uintptr_t)service->external_hosts % _Alignof(char *), 0);
	if (service->external_ip_count + service->external_host_count == 0)
		return;
	line_add(" outside");
	for (unsigned i = 0; i < service->external_ip_count; i++)
		line_ip(service->external_ips[i].family, service->external_ips[i].bytes);
	for (unsigned i = 0; i < service->external_host_count; i++) {
		inside(&service->head, service->external_hosts[i],
			strlen(service->external_hosts[i]) + 1);
		line_add(" %s", service->external_hosts[i]);
	}
	line_add(" inside");
}

static inline void object_line(const struct object *object)
{
	static const char *const types[] = {"cluster", "headless", "external"};
	const struct ip *ips = NULL;
	unsigned count = 0;

	inside(object, object->name, strlen(object->name) + 1);
	inside(object, object->ns, strlen(object->ns) + 1);
	line_add("%s%s%s@%llu", object->ns, *object->ns ? "/" : "", object->name,
		(unsigned long long)object->version);
	if (object->kind == KIND_SERVICE || object->kind == KIND_IMPORT) {
		const struct service *service = (const struct service *)object;

		line_add(" %s", types[service->type]);
		ips = service->ips;
		count = service->ip_count;
		if (service->external_name)
			line_add(" %s", service->external_name);
	} else if (object->kind == KIND_POD) {
		ips = ((const struct pod *)object)->ips;
		count = ((const struct pod *)object)->ip_count;
	} else if (object->kind == KIND_SLICE || object->kind == KIND_IMPORT_SLICE) {
		slice_line((const struct endpoint_slice *)object);
	}
	if (object->kind == KIND_SERVICE)
		externals_line((const struct service *)object);
	inside(object, ips, count * sizeof *ips);
	for (unsigned i = 0; i < count; i++)
		line_ip(ips[i].family, ips[i].bytes);
	if ((object->kind == KIND_SERVICE || object->kind == KIND_IMPORT) &&
		((const struct service *)object)->port_count) {
		line_add(" ports");
		ports_line(object, ((const struct service *)object)->ports,
			((const struct service *)object)->port_count);
	}
}

/* "line", "line; why", "SKIP why", "INVALID why", "SYNTAX". What is decoded is a copy of
 * exactly its length. */
static inline const char *decode_document(enum resource resource, const struct document *document)
{
	static const char *const results[] = {
		[DECODE_SKIP] = "SKIP", [DECODE_INVALID] = "INVALID", [DECODE_SYNTAX] = "SYNTAX"};
	char *copy = malloc(document->len ? document->len : 1), why[DECODE_WHY_MAX] = "";
	struct document copied = *document;
	struct object *object = NULL;
	enum decode_result result;

	memcpy(copy, document->bytes, document->len);
	copied.bytes = copy;
	result = decode_object(resource, &copied, &line_options, &object, why);
	free(copy);
	line[0] = '\0';
	if (result == DECODE_OK) {
		assert_int_equal(object->kind, resource_table[resource].kind);
		if (resource == RESOURCE_SLICES || resource == RESOURCE_SLICES_V1BETA1)
			assert_int_equal(((struct endpoint_slice *)object)->group_count, 1);
		object_line(object);
		line_add("%s%s", why[0] ? "; " : "", why);
		object_free(object);
	} else {
		assert_null(object);
		line_add("%s%s%s", results[result], result == DECODE_SYNTAX ? "" : " ",
			result == DECODE_SYNTAX ? "" : why);
	}
	return line;
}

static inline const char *decode(enum resource resource, const char *json)
{
	return decode_document(resource, &(struct document){.bytes = json, .len = strlen(json)});
}

struct row {
	const char *json;
	const char *line;
};

static inline void check(enum resource resource, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_string_equal(decode(resource, rows[i].json), rows[i].line);
}

#define CHECK(resource, rows) check(resource, rows, sizeof(rows) / sizeof((rows)[0]))

#endif
