/* SPDX-License-Identifier: Apache-2.0 */
#include "clusterip.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define V4_HOSTS (1u << 20) /* 10.96.0.0/12 */
#define V6_HOSTS (1u << 16) /* fd00:10:96::/112 */
/* Left alone at both ends: there are the API server's and the DNS server's own
 * usual addresses, and the broadcast address. */
#define MARGIN 256u

static const uint8_t v4_base[4] = {10, 96, 0, 0};
static const uint8_t v6_base[16] = {0xfd, 0x00, 0x00, 0x10, 0x00, 0x96};

struct clusterip_pool { /* a bit per address */
	uint8_t v4[V4_HOSTS / 8];
	uint8_t v6[V6_HOSTS / 8];
};

struct clusterip_pool *clusterip_pool_new(void)
{
	return calloc(1, sizeof(struct clusterip_pool));
}

void clusterip_pool_free(struct clusterip_pool *pool)
{
	free(pool);
}

/* ---- what a manifest says ---- */

static const cJSON *spec_of(const cJSON *service)
{
	return cJSON_GetObjectItemCaseSensitive(service, "spec");
}

static const char *string_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(item) ? item->valuestring : "";
}

/* The addresses that are written: clusterIPs, or clusterIP alone. */
static unsigned written_get(const cJSON *spec, const char *out[2])
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(spec, "clusterIPs"), *item;
	unsigned count = 0;

	cJSON_ArrayForEach (item, list) {
		if (cJSON_IsString(item) && item->valuestring[0] && count < 2)
			out[count++] = item->valuestring;
	}
	if (count == 0 && string_of(spec, "clusterIP")[0])
		out[count++] = string_of(spec, "clusterIP");
	return count;
}

static uint8_t family_of(const char *address)
{
	return strchr(address, ':') ? 6 : 4;
}

/* The families that the Service is to have, the primary one first. */
static unsigned families_get(const cJSON *spec, uint8_t out[2])
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(spec, "ipFamilies"), *item;
	const char *policy = string_of(spec, "ipFamilyPolicy");
	const char *written[2];
	unsigned count = 0;

	cJSON_ArrayForEach (item, list) {
		if (cJSON_IsString(item) && count < 2)
			out[count++] = strcmp(item->valuestring, "IPv6") == 0 ? 6 : 4;
	}
	if (count == 0)
		out[count++] = written_get(spec, written) > 0 ? family_of(written[0]) : 4;
	if (count == 2 && (out[0] == out[1] || strcmp(policy, "SingleStack") == 0))
		count = 1;
	if (count == 1 &&
		(strcmp(policy, "PreferDualStack") == 0 || strcmp(policy, "RequireDualStack") == 0))
		out[count++] = out[0] == 4 ? 6 : 4;
	return count;
}

/* The families it is to have and has not. */
static unsigned missing_get(const cJSON *service, uint8_t out[2])
{
	const cJSON *spec = spec_of(service);
	const char *written[2];
	uint8_t families[2];
	unsigned written_count, family_count, count = 0;

	if (!cJSON_IsObject(spec) || strcmp(string_of(spec, "type"), "ExternalName") == 0)
		return 0;
	written_count = written_get(spec, written);
	if (written_count > 0 && strcmp(written[0], "None") == 0)
		return 0;
	family_count = families_get(spec, families);
	/* Whoever writes one address without asking for two wants one. */
	if (written_count >= family_count)
		return 0;
	for (unsigned i = 0; i < family_count; i++) {
		if (written_count == 0 || families[i] != family_of(written[0]))
			out[count++] = families[i];
	}
	return count;
}

bool clusterip_is_needed(const cJSON *service)
{
	uint8_t missing[2];

	return missing_get(service, missing) > 0;
}

/* ---- the pool ---- */

void clusterip_take(struct clusterip_pool *pool, const struct ip *ip)
{
	uint32_t host;

	if (ip->family == 4 && ip->bytes[0] == 10 && (ip->bytes[1] & 0xf0) == 96) {
		host = (uint32_t)(ip->bytes[1] & 0x0f) << 16 | (uint32_t)ip->bytes[2] << 8 |
		       ip->bytes[3];
		pool->v4[host / 8] |= (uint8_t)(1u << host % 8);
	} else if (ip->family == 6 && memcmp(ip->bytes, v6_base, 14) == 0) {
		host = (uint32_t)ip->bytes[14] << 8 | ip->bytes[15];
		pool->v6[host / 8] |= (uint8_t)(1u << host % 8);
	}
}

void clusterip_take_written(struct clusterip_pool *pool, const cJSON *service)
{
	const char *written[2];
	unsigned count = written_get(spec_of(service), written);

	for (unsigned i = 0; i < count; i++) {
		struct ip ip = {.family = family_of(written[i])};

		if (inet_pton(ip.family == 4 ? AF_INET : AF_INET6, written[i], ip.bytes) == 1)
			clusterip_take(pool, &ip);
	}
}

/* FNV-1a with a last mixing, because its low bits alone are weak. The addresses
 * that people see depend on it: it must never change. */
static uint32_t name_hash(const char *ns, const char *name)
{
	const char *const parts[] = {ns, "/", name};
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < 3; i++) {
		for (const char *at = parts[i]; *at; at++)
			hash = (hash ^ (uint8_t)*at) * 0x100000001b3u;
	}
	hash ^= hash >> 32;
	hash *= 0x9e3779b97f4a7c15u;
	return (uint32_t)(hash >> 32);
}

/* The first free address from the hash on. 0 or -ENOSPC. */
static int pool_pick(struct clusterip_pool *pool, uint8_t family, uint32_t hash, struct ip *out)
{
	uint32_t usable = (family == 4 ? V4_HOSTS : V6_HOSTS) - 2 * MARGIN;
	const uint8_t *bits = family == 4 ? pool->v4 : pool->v6;
	uint32_t host = 0, tried = 0;
	struct ip ip = {.family = family};

	for (; tried < usable; tried++) {
		host = MARGIN + (hash % usable + tried) % usable;
		if (!(bits[host / 8] & 1u << host % 8))
			break;
	}
	if (tried == usable)
		return -ENOSPC;
	if (family == 4) {
		memcpy(ip.bytes, v4_base, sizeof v4_base);
		ip.bytes[1] |= (uint8_t)(host >> 16);
		ip.bytes[2] = (uint8_t)(host >> 8 & 0xff);
		ip.bytes[3] = (uint8_t)(host & 0xff);
	} else {
		memcpy(ip.bytes, v6_base, sizeof v6_base);
		ip.bytes[14] = (uint8_t)(host >> 8);
		ip.bytes[15] = (uint8_t)(host & 0xff);
	}
	clusterip_take(pool, &ip);
	*out = ip;
	return 0;
}

static int string_add(cJSON *list, const char *text)
{
	cJSON *item = cJSON_CreateString(text);

	if (item && cJSON_AddItemToArray(list, item))
		return 0;
	cJSON_Delete(item);
	return -ENOMEM;
}

static int missing_add(struct clusterip_pool *pool, const char *ns, const char *name,
	const cJSON *service, cJSON *list)
{
	uint8_t missing[2];
	unsigned count = missing_get(service, missing);
	int rc = 0;

	for (unsigned i = 0; i < count && rc == 0; i++) {
		struct ip ip;
		char text[INET6_ADDRSTRLEN];

		rc = pool_pick(pool, missing[i], name_hash(ns, name), &ip);
		if (rc < 0)
			break;
		inet_ntop(missing[i] == 4 ? AF_INET : AF_INET6, ip.bytes, text, sizeof text);
		rc = string_add(list, text);
	}
	return rc;
}

int clusterip_assign(struct clusterip_pool *pool, const char *ns, const char *name, cJSON *service)
{
	cJSON *spec = cJSON_GetObjectItemCaseSensitive(service, "spec");
	cJSON *list = cJSON_CreateArray();
	const char *written[2];
	unsigned count = written_get(spec, written);
	int rc = list ? 0 : -ENOMEM;

	for (unsigned i = 0; i < count && rc == 0; i++)
		rc = string_add(list, written[i]);
	if (rc == 0)
		rc = missing_add(pool, ns, name, service, list);
	if (rc == 0 && cJSON_GetArraySize(list) > 0) {
		const char *first = cJSON_GetArrayItem(list, 0)->valuestring;

		cJSON_DeleteItemFromObjectCaseSensitive(spec, "clusterIP");
		if (!cJSON_AddStringToObject(spec, "clusterIP", first))
			rc = -ENOMEM;
	}
	if (rc == 0) {
		cJSON_DeleteItemFromObjectCaseSensitive(spec, "clusterIPs");
		if (cJSON_AddItemToObject(spec, "clusterIPs", list))
			return 0;
		rc = -ENOMEM;
	}
	cJSON_Delete(list);
	return rc;
}
