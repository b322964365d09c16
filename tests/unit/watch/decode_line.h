/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_WATCH_DECODE_LINE_H
#define BINNACLE_TESTS_WATCH_DECODE_LINE_H

/* Objects in, what DNS sees of them out as one line of text:
 *
 *	d/web@7 cluster 10.0.0.1 fd00::1     d/web@7 headless    d/web@7 external x.org
 *	d/s@7 of web v4 10.1.0.1=a 10.1.0.2 v6 fd00::1 unready 2
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

static inline void slice_line(const struct endpoint_slice *slice)
{
	inside(&slice->head, slice->v4, 4 * (size_t)slice->v4_count);
	inside(&slice->head, slice->v6, 16 * (size_t)slice->v6_count);
	inside(&slice->head, slice->service, strlen(slice->service) + 1);
	line_add(" of %s%s", slice->service, slice->v4_count ? " v4" : "");
	for (uint32_t i = 0; i < slice->v4_count; i++) {
		line_ip(4, slice->v4 + 4 * (size_t)i);
		if (slice->v4_hostnames && slice->v4_hostnames[i])
			line_add("=%s", slice->v4_hostnames[i]);
	}
	line_add("%s", slice->v6_count ? " v6" : "");
	for (uint32_t i = 0; i < slice->v6_count; i++) {
		line_ip(6, slice->v6 + 16 * (size_t)i);
		if (slice->v6_hostnames && slice->v6_hostnames[i])
			line_add("=%s", slice->v6_hostnames[i]);
	}
	if (slice->unready)
		line_add(" unready %u", slice->unready);
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
	if (object->kind == KIND_SERVICE) {
		const struct service *service = (const struct service *)object;

		line_add(" %s", types[service->type]);
		ips = service->ips;
		count = service->ip_count;
		if (service->external_name)
			line_add(" %s", service->external_name);
	} else if (object->kind == KIND_POD) {
		ips = ((const struct pod *)object)->ips;
		count = ((const struct pod *)object)->ip_count;
	} else if (object->kind == KIND_SLICE) {
		slice_line((const struct endpoint_slice *)object);
	}
	inside(object, ips, count * sizeof *ips);
	for (unsigned i = 0; i < count; i++)
		line_ip(ips[i].family, ips[i].bytes);
}

/* "line", "line; why", "SKIP why", "INVALID why", "SYNTAX". */
static inline const char *decode(enum resource resource, const char *json)
{
	static const char *const results[] = {
		[DECODE_SKIP] = "SKIP", [DECODE_INVALID] = "INVALID", [DECODE_SYNTAX] = "SYNTAX"};
	const size_t len = strlen(json);
	char *copy = malloc(len ? len : 1), why[DECODE_WHY_MAX] = "";
	struct object *object = NULL;
	enum decode_result result;

	memcpy(copy, json, len);
	result = decode_object(resource, copy, len, &line_options, &object, why);
	free(copy);
	line[0] = '\0';
	if (result == DECODE_OK) {
		assert_int_equal(object->kind, resource_table[resource].kind);
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
