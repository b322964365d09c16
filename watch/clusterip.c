/* SPDX-License-Identifier: Apache-2.0 */
#include "clusterip.h"

#include "address_pool.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Both ends are left alone: there are the API server's and the DNS server's own
 * usual addresses, and the broadcast address. */
#define MARGIN 256u

static const struct address_range v4_range = {
	.family = 4, .base = {10, 96}, .bits = 20, .margin = MARGIN};
static const struct address_range v6_range = {
	.family = 6, .base = {0xfd, 0, 0, 0x10, 0, 0x96}, .bits = 16, .margin = MARGIN};

struct clusterip_pool {
	struct address_pool *v4, *v6;
};

struct clusterip_pool *clusterip_pool_new(void)
{
	struct clusterip_pool *pool = calloc(1, sizeof *pool);

	if (!pool)
		return NULL;
	pool->v4 = address_pool_new(&v4_range);
	pool->v6 = address_pool_new(&v6_range);
	if (pool->v4 && pool->v6)
		return pool;
	clusterip_pool_free(pool);
	return NULL;
}

void clusterip_pool_free(struct clusterip_pool *pool)
{
	if (!pool)
		return;
	address_pool_free(pool->v4);
	address_pool_free(pool->v6);
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

unsigned clusterip_families(const cJSON *service, uint8_t out[2])
{
	const cJSON *spec = spec_of(service);
	const char *written[2];
	const bool has_address = written_get(spec, written) > 0 && strcmp(written[0], "None") != 0;

	if (!has_address && !string_of(spec, "ipFamilyPolicy")[0] &&
		cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(spec, "ipFamilies")) == 0)
		return 0;
	return families_get(spec, out);
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
	address_pool_take(ip->family == 4 ? pool->v4 : pool->v6, ip);
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
	const char *const parts[] = {ns, "/", name};
	uint8_t missing[2];
	unsigned count = missing_get(service, missing);
	int rc = 0;

	for (unsigned i = 0; i < count && rc == 0; i++) {
		struct ip ip;
		char text[INET6_ADDRSTRLEN];

		rc = address_pool_pick(
			missing[i] == 4 ? pool->v4 : pool->v6, address_hash(parts, 3), &ip);
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
