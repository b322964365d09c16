/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_CACHE_OBJECTS_H
#define BINNACLE_TESTS_CACHE_OBJECTS_H

/* Objects from short texts, in the one-allocation form of watch/object.h. They
 * belong to the caller.
 *
 *	make_service("shop", "web", 7, SERVICE_CLUSTER_IP, "10.0.0.1 2001:db8::1")
 *	make_service("shop", "cdn", 8, SERVICE_EXTERNAL_NAME, "cdn.example.org")
 *	make_slice("shop", "web-1", "web", 9, "10.1.0.1 10.1.0.2=web-0 fd00::1")
 *	make_namespace("shop", 3)
 *	make_pod("shop", "web-0", 4, "10.1.0.1 fd00::1")
 *	make_zoned_slice("shop", "web-1", "web", 9, "10.1.0.1@a 10.1.0.2=web-0@b 10.1.0.3")
 *	make_import("shop", "db", 7, SERVICE_HEADLESS, "")
 *	make_import_slice("shop", "db-east", "db", "east", 9, "10.1.0.1=a")
 *	make_service_outside("shop", "web", 7, SERVICE_CLUSTER_IP, "10.0.0.1", "80:http:TCP",
 *		"192.0.2.1 2001:db8::1 lb.example.org")
 *	make_service_ports(..., "80:http:TCP 53:dns:UDP 9090::TCP -1:odd:TCP")
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/object.h"

struct make_arena {
	char *base;
	size_t at, cap;
};

static inline void *make_take(struct make_arena *arena, size_t n)
{
	void *p;

	arena->at = (arena->at + 7) & ~(size_t)7;
	if (arena->at + n > arena->cap)
		abort();
	p = arena->base + arena->at;
	arena->at += n;
	return p;
}

static inline const char *make_text(struct make_arena *arena, const char *text)
{
	const size_t n = strlen(text) + 1;

	return memcpy(make_take(arena, n), text, n);
}

static inline struct make_arena make_arena(size_t cap)
{
	struct make_arena arena = {calloc(1, cap), 0, cap};

	if (!arena.base)
		abort();
	return arena;
}

static inline void make_head(struct make_arena *arena, struct object *head, enum object_kind kind,
	const char *ns, const char *name, uint64_t version)
{
	head->kind = (uint8_t)kind;
	head->version = version;
	head->ns = make_text(arena, ns);
	head->name = make_text(arena, name);
}

static inline struct ip make_ip(const char *text)
{
	struct ip ip = {.family = 4};

	if (inet_pton(AF_INET, text, ip.bytes) == 1)
		return ip;
	ip.family = 6;
	if (inet_pton(AF_INET6, text, ip.bytes) != 1)
		abort();
	return ip;
}

/* "number:name:protocol number:name:protocol" */
static inline const struct port *make_ports(
	struct make_arena *arena, const char *text, uint16_t *count)
{
	struct port *ports = make_take(arena, (strlen(text) / 3 + 1) * sizeof *ports);
	char *copy = strdup(text), *state = NULL;

	for (char *t = strtok_r(copy, " ", &state); t; t = strtok_r(NULL, " ", &state)) {
		char *name = strchr(t, ':'), *protocol = strchr(name + 1, ':');

		*name = *protocol = '\0';
		ports[(*count)++] = (struct port){(int32_t)strtol(t, NULL, 10),
			make_text(arena, name + 1), make_text(arena, protocol + 1)};
	}
	free(copy);
	return ports;
}

static inline struct object *make_namespace(const char *name, uint64_t version)
{
	struct make_arena arena = make_arena(sizeof(struct namespace) + strlen(name) + 64);
	struct namespace *namespace = make_take(&arena, sizeof *namespace);

	make_head(&arena, &namespace->head, KIND_NAMESPACE, "", name, version);
	namespace->head.size = (uint32_t)arena.cap;
	return &namespace->head;
}

/* "192.0.2.1 2001:db8::1 lb.example.org" */
static inline void make_externals(
	struct make_arena *arena, struct service *service, const char *text)
{
	struct ip *ips = make_take(arena, (strlen(text) / 2 + 1) * sizeof *ips);
	const char **hosts = make_take(arena, (strlen(text) / 2 + 1) * sizeof *hosts);
	char *copy = strdup(text), *state = NULL;

	service->external_ips = ips;
	service->external_hosts = hosts;
	for (char *t = strtok_r(copy, " ", &state); t; t = strtok_r(NULL, " ", &state)) {
		if (strchr(t, ':') || strspn(t, "0123456789.") == strlen(t))
			ips[service->external_ip_count++] = make_ip(t);
		else
			hosts[service->external_host_count++] = make_text(arena, t);
	}
	free(copy);
}

static inline struct object *make_service_outside(const char *ns, const char *name,
	uint64_t version, enum service_type type, const char *what, const char *ports,
	const char *outside)
{
	struct make_arena arena = make_arena(512 + strlen(ns) + strlen(name) + 20 * strlen(what) +
					     40 * strlen(ports) + 40 * strlen(outside));
	struct service *service = make_take(&arena, sizeof *service);
	char *copy = strdup(what), *state = NULL;
	struct ip *ips = make_take(&arena, 8 * sizeof *ips);

	make_head(&arena, &service->head, KIND_SERVICE, ns, name, version);
	service->type = (uint8_t)type;
	service->ips = ips;
	if (type == SERVICE_EXTERNAL_NAME) {
		service->external_name = make_text(&arena, what);
	} else {
		for (char *t = strtok_r(copy, " ", &state); t; t = strtok_r(NULL, " ", &state))
			ips[service->ip_count++] = make_ip(t);
	}
	free(copy);
	service->ports = make_ports(&arena, ports, &service->port_count);
	make_externals(&arena, service, outside);
	service->head.size = (uint32_t)arena.cap;
	return &service->head;
}

static inline struct object *make_service_ports(const char *ns, const char *name, uint64_t version,
	enum service_type type, const char *what, const char *ports)
{
	return make_service_outside(ns, name, version, type, what, ports, "");
}

static inline struct object *make_service(const char *ns, const char *name, uint64_t version,
	enum service_type type, const char *what)
{
	return make_service_ports(ns, name, version, type, what, "");
}

static inline struct object *make_pod(
	const char *ns, const char *name, uint64_t version, const char *addresses)
{
	const size_t most = strlen(addresses) / 2 + 1;
	struct make_arena arena = make_arena(
		sizeof(struct pod) + strlen(ns) + strlen(name) + 64 + most * sizeof(struct ip));
	struct pod *pod = make_take(&arena, sizeof *pod);
	struct ip *ips = make_take(&arena, most * sizeof *ips);
	char *copy = strdup(addresses), *state = NULL;

	make_head(&arena, &pod->head, KIND_POD, ns, name, version);
	pod->ips = ips;
	for (char *t = strtok_r(copy, " ", &state); t; t = strtok_r(NULL, " ", &state))
		ips[pod->ip_count++] = make_ip(t);
	free(copy);
	pod->head.size = (uint32_t)arena.cap;
	return &pod->head;
}

static inline struct object *make_slice_ports(const char *ns, const char *name, const char *service,
	uint64_t version, const char *endpoints, const char *ports)
{
	const size_t len = strlen(endpoints), most = len / 2 + 1;
	struct make_arena arena =
		make_arena(1024 + strlen(ns) + strlen(name) + 60 * most + 40 * strlen(ports));
	struct endpoint_slice *slice = make_take(&arena, sizeof *slice);
	uint8_t *v4 = make_take(&arena, 4 * most), *v6 = make_take(&arena, 16 * most);
	const char **v4_hosts = make_take(&arena, most * sizeof *v4_hosts);
	const char **v6_hosts = make_take(&arena, most * sizeof *v6_hosts);
	struct slice_group *group = make_take(&arena, sizeof *group);
	char *copy = strdup(endpoints), *state = NULL;

	make_head(&arena, &slice->head, KIND_SLICE, ns, name, version);
	slice->service = make_text(&arena, service);
	slice->v4 = v4;
	slice->v6 = v6;
	for (char *t = strtok_r(copy, " ", &state); t; t = strtok_r(NULL, " ", &state)) {
		char *host = strchr(t, '=');
		const char *kept = NULL;
		struct ip ip;

		if (host) {
			*host = '\0';
			kept = make_text(&arena, host + 1);
		}
		ip = make_ip(t);
		if (ip.family == 4) {
			memcpy(v4 + 4 * slice->v4_count, ip.bytes, 4);
			v4_hosts[slice->v4_count++] = kept;
			slice->v4_hostnames = kept ? v4_hosts : slice->v4_hostnames;
		} else {
			memcpy(v6 + 16 * slice->v6_count, ip.bytes, 16);
			v6_hosts[slice->v6_count++] = kept;
			slice->v6_hostnames = kept ? v6_hosts : slice->v6_hostnames;
		}
	}
	free(copy);
	group->v4_count = slice->v4_count;
	group->v6_count = slice->v6_count;
	group->ports = make_ports(&arena, ports, &group->port_count);
	slice->groups = group;
	slice->group_count = 1;
	slice->head.size = (uint32_t)arena.cap;
	return &slice->head;
}

/* One at a time: the zones are static. */
static inline struct object *make_zoned_slice(const char *ns, const char *name, const char *service,
	uint64_t version, const char *endpoints)
{
	static const char *v4[64], *v6[64];
	static char texts[4096];
	char *plain = calloc(1, strlen(endpoints) + 2), *copy = strdup(endpoints), *state = NULL;
	size_t n4 = 0, n6 = 0, used = 0;
	struct object *object;

	for (char *t = strtok_r(copy, " ", &state); t; t = strtok_r(NULL, " ", &state)) {
		char *zone = strchr(t, '@');
		const char *kept = NULL;

		if (zone) {
			*zone++ = '\0';
			kept = strcpy(texts + used, zone);
			used += strlen(zone) + 1;
		}
		if (strchr(t, ':'))
			v6[n6++] = kept;
		else
			v4[n4++] = kept;
		strcat(strcat(plain, " "), t);
	}
	object = make_slice_ports(ns, name, service, version, plain, "80:http:TCP");
	((struct endpoint_slice *)(void *)object)->v4_zones = v4;
	((struct endpoint_slice *)(void *)object)->v6_zones = v6;
	free(plain);
	free(copy);
	return object;
}

static inline struct object *make_import_ports(const char *ns, const char *name, uint64_t version,
	enum service_type type, const char *what, const char *ports)
{
	struct object *object = make_service_ports(ns, name, version, type, what, ports);

	object->kind = KIND_IMPORT;
	return object;
}

static inline struct object *make_import(const char *ns, const char *name, uint64_t version,
	enum service_type type, const char *what)
{
	return make_import_ports(ns, name, version, type, what, "");
}

/* cluster must outlive it. */
static inline struct object *make_import_slice_ports(const char *ns, const char *name,
	const char *service, const char *cluster, uint64_t version, const char *endpoints,
	const char *ports)
{
	struct object *object = make_slice_ports(ns, name, service, version, endpoints, ports);

	object->kind = KIND_IMPORT_SLICE;
	((struct endpoint_slice *)(void *)object)->cluster = cluster;
	return object;
}

static inline struct object *make_import_slice(const char *ns, const char *name,
	const char *service, const char *cluster, uint64_t version, const char *endpoints)
{
	return make_import_slice_ports(ns, name, service, cluster, version, endpoints, "");
}

static inline struct object *make_slice(const char *ns, const char *name, const char *service,
	uint64_t version, const char *endpoints)
{
	return make_slice_ports(ns, name, service, version, endpoints, "");
}

#endif
