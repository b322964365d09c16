/* SPDX-License-Identifier: Apache-2.0 */
#include "workload_slices.h"

#include "clusterip.h"
#include "json_tree.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE_LABEL  "kubernetes.io/service-name"
#define SLICE_NAME_MAX 300

struct service_port {
	const char *name, *protocol;
	uint16_t number;    /* the target's */
	const char *target; /* its name, where the number is a container's business */
};

/* A source with the targets of the Service's ports, 0 where there is none. */
struct match {
	const struct workload_source *source;
	const uint16_t *numbers;
};

struct making {
	const struct workload_host *host;
	size_t at;
	const cJSON *service;
	const char *ns, *name;
	const struct workload_pods *pods;
	bool is_ready_always;
	uint8_t families[2];
	unsigned family_count; /* 0: each Pod's primary address */
	struct service_port ports[WORKLOAD_PORTS_MAX];
	size_t port_count;
	unsigned next; /* number of the family's next slice */
	cJSON *slice, *endpoints;
	uint32_t endpoint_count; /* in it */
};

static const cJSON *member(const cJSON *tree, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(tree, key);
}

/* `absent` if it is no string. */
static const char *string_of(const cJSON *tree, const char *key, const char *absent)
{
	const cJSON *found = member(tree, key);

	return cJSON_IsString(found) ? found->valuestring : absent;
}

static int making_refuse(const struct making *m, const char *reason)
{
	char why[DECODE_WHY_MAX];

	snprintf(why, sizeof why, "Service %.60s/%.60s: %.110s", m->ns, m->name, reason);
	return m->host->refuse(m->host->user, m->at, why);
}

/* ---- ports ---- */

/* 0: not a port's number. */
static uint16_t port_number(const cJSON *number)
{
	if (!cJSON_IsNumber(number) || number->valuedouble < 1 || number->valuedouble > 65535)
		return 0;
	return (uint16_t)number->valuedouble;
}

/* No targetPort, 0 and "" mean the port itself. False: not to be used. */
static bool port_read(const cJSON *tree, struct service_port *out)
{
	const cJSON *target = member(tree, "targetPort");

	out->name = string_of(tree, "name", "");
	out->protocol = string_of(tree, "protocol", "TCP");
	out->target = NULL;
	out->number = port_number(member(tree, "port"));
	if (out->number == 0)
		return false;
	if (cJSON_IsString(target) && target->valuestring[0])
		out->target = target->valuestring;
	else if (cJSON_IsNumber(target) && target->valuedouble != 0)
		out->number = port_number(target);
	return out->number != 0;
}

static int ports_read(struct making *m)
{
	const cJSON *list = member(member(m->service, "spec"), "ports"), *tree;
	char why[DECODE_WHY_MAX] = "";
	struct decoder d = {.why = why};
	unsigned place = 0;

	cJSON_ArrayForEach (tree, list) {
		if (m->port_count == WORKLOAD_PORTS_MAX ||
			!port_read(tree, &m->ports[m->port_count]))
			decoder_leave_out(&d, "spec.ports[%u]", place);
		else
			m->port_count++;
		place++;
	}
	decoder_finish(&d);
	return why[0] ? making_refuse(m, why) : 0;
}

/* The container port of this name and protocol; 0: none. */
static uint16_t target_find(const cJSON *pod_spec, const struct service_port *wanted)
{
	const cJSON *containers = member(pod_spec, "containers"), *container, *port;

	cJSON_ArrayForEach (container, containers) {
		cJSON_ArrayForEach (port, member(container, "ports")) {
			if (strcmp(string_of(port, "name", ""), wanted->target) == 0 &&
				strcmp(string_of(port, "protocol", "TCP"), wanted->protocol) == 0)
				return port_number(member(port, "containerPort"));
		}
	}
	return 0;
}

static int match_compare(const void *a, const void *b, void *port_count)
{
	const struct match *left = a, *right = b;
	int order = 0;

	for (size_t i = 0; i < *(size_t *)port_count && order == 0; i++)
		order = (int)left->numbers[i] - (int)right->numbers[i];
	if (order == 0)
		order = left->source < right->source ? -1 : left->source > right->source;
	return order;
}

/* The sources with their numbers; those where these are the same stand together. */
static void matches_fill(struct making *m, const struct workload_source *const *sources,
	size_t count, struct match *matches, uint16_t *numbers)
{
	for (size_t i = 0; i < count; i++) {
		uint16_t *own = numbers + i * m->port_count;

		for (size_t p = 0; p < m->port_count; p++)
			own[p] = m->ports[p].target
					 ? target_find(sources[i]->pod_spec, &m->ports[p])
					 : m->ports[p].number;
		matches[i] = (struct match){.source = sources[i], .numbers = own};
	}
	qsort_r(matches, count, sizeof *matches, match_compare, &m->port_count);
}

static bool numbers_are_same(const struct making *m, const struct match *a, const struct match *b)
{
	return memcmp(a->numbers, b->numbers, m->port_count * sizeof *a->numbers) == 0;
}

/* ---- a slice's tree: cJSON's functions give NULL for NULL ---- */

static bool item_add(cJSON *list, cJSON *item)
{
	if (item && cJSON_AddItemToArray(list, item))
		return true;
	cJSON_Delete(item);
	return false;
}

static bool labels_add(const struct making *m, cJSON *metadata)
{
	const cJSON *own = member(member(m->service, "metadata"), "labels"), *label;
	cJSON *labels = cJSON_AddObjectToObject(metadata, "labels");

	for (label = cJSON_IsObject(own) ? own->child : NULL; label; label = label->next) {
		if (cJSON_IsString(label) && strcmp(label->string, SERVICE_LABEL) != 0 &&
			!cJSON_AddStringToObject(labels, label->string, label->valuestring))
			return false;
	}
	return cJSON_AddStringToObject(labels, SERVICE_LABEL, m->name);
}

static bool ports_add(const struct making *m, const uint16_t *numbers, cJSON *slice)
{
	cJSON *ports = cJSON_AddArrayToObject(slice, "ports");

	for (size_t i = 0; i < m->port_count; i++) {
		cJSON *port;

		if (numbers[i] == 0)
			continue;
		port = cJSON_CreateObject();
		if (!item_add(ports, port) ||
			!cJSON_AddStringToObject(port, "name", m->ports[i].name) ||
			!cJSON_AddNumberToObject(port, "port", numbers[i]) ||
			!cJSON_AddStringToObject(port, "protocol", m->ports[i].protocol))
			return false;
	}
	return ports != NULL;
}

static void slice_name(struct making *m, unsigned family, char out[SLICE_NAME_MAX])
{
	do {
		snprintf(out, SLICE_NAME_MAX, "%s-manifest-v%u-%u", m->name, family, m->next++);
	} while (m->host->is_taken(m->host->user, m->ns, out));
}

static int slice_start(struct making *m, unsigned family, const uint16_t *numbers)
{
	cJSON *slice = cJSON_CreateObject();
	cJSON *metadata = cJSON_AddObjectToObject(slice, "metadata");
	char name[SLICE_NAME_MAX];

	slice_name(m, family, name);
	m->slice = slice;
	m->endpoint_count = 0;
	if (cJSON_AddStringToObject(slice, "apiVersion", "discovery.k8s.io/v1") &&
		cJSON_AddStringToObject(slice, "kind", "EndpointSlice") &&
		cJSON_AddStringToObject(metadata, "namespace", m->ns) &&
		cJSON_AddStringToObject(metadata, "name", name) && labels_add(m, metadata) &&
		cJSON_AddStringToObject(slice, "addressType", family == 4 ? "IPv4" : "IPv6") &&
		ports_add(m, numbers, slice))
		m->endpoints = cJSON_AddArrayToObject(slice, "endpoints");
	else
		m->endpoints = NULL;
	return m->endpoints ? 0 : -ENOMEM;
}

static int slice_finish(struct making *m)
{
	cJSON *slice = m->slice;

	m->slice = NULL;
	return slice ? m->host->slice(m->host->user, m->at, slice) : 0;
}

static int endpoint_add(
	struct making *m, const struct workload_source *source, uint32_t nth, const struct ip *ip)
{
	char text[INET6_ADDRSTRLEN], name[WORKLOAD_POD_NAME_MAX], room[WORKLOAD_POD_NAME_MAX];
	const char *hostname = workload_pod_hostname(source, nth, m->name, room);
	cJSON *endpoint = cJSON_CreateObject();
	cJSON *addresses = cJSON_AddArrayToObject(endpoint, "addresses");
	cJSON *conditions = cJSON_AddObjectToObject(endpoint, "conditions");
	cJSON *target = cJSON_AddObjectToObject(endpoint, "targetRef");

	inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->bytes, text, sizeof text);
	workload_pod_name(source, nth, name);
	m->endpoint_count++;
	if (item_add(addresses, cJSON_CreateString(text)) &&
		cJSON_AddBoolToObject(conditions, "ready", m->is_ready_always || source->ready) &&
		(!hostname || cJSON_AddStringToObject(endpoint, "hostname", hostname)) &&
		cJSON_AddStringToObject(target, "kind", "Pod") &&
		cJSON_AddStringToObject(target, "namespace", m->ns) &&
		cJSON_AddStringToObject(target, "name", name) &&
		cJSON_AddItemToArray(m->endpoints, endpoint))
		return 0;
	cJSON_Delete(endpoint);
	return -ENOMEM;
}

/* ---- the Service's endpoints ---- */

/* The Pod's address for the slices of this family; NULL: it has none there. */
static const struct ip *pod_ip(
	const struct making *m, const struct workload_pod *pod, unsigned family)
{
	const unsigned looked_at = m->family_count == 0 ? 1 : pod->ip_count;
	bool is_wanted = m->family_count == 0;

	for (unsigned i = 0; i < m->family_count; i++)
		is_wanted |= m->families[i] == family;
	for (unsigned i = 0; is_wanted && i < looked_at; i++) {
		if (pod->ips[i].family == family)
			return &pod->ips[i];
	}
	return NULL;
}

static uint32_t source_endpoints(const struct making *m, const struct workload_source *source)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < source->count; i++) {
		const struct workload_pod *pod = &m->pods->pods[source->first + i];

		count += pod_ip(m, pod, 4) != NULL;
		count += pod_ip(m, pod, 6) != NULL;
	}
	return count;
}

static int match_write(struct making *m, const struct match *match, unsigned family)
{
	int rc = 0;

	for (uint32_t i = 0; i < match->source->count && rc == 0; i++) {
		const struct ip *ip = pod_ip(m, &m->pods->pods[match->source->first + i], family);

		if (!ip)
			continue;
		if (m->slice && m->endpoint_count == WORKLOAD_SLICE_MAX)
			rc = slice_finish(m);
		if (rc == 0 && !m->slice)
			rc = slice_start(m, family, match->numbers);
		if (rc == 0)
			rc = endpoint_add(m, match->source, i, ip);
	}
	return rc;
}

static int family_write(
	struct making *m, const struct match *matches, size_t count, unsigned family)
{
	int rc = 0;

	m->next = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		if (i > 0 && !numbers_are_same(m, &matches[i - 1], &matches[i]))
			rc = slice_finish(m);
		if (rc == 0)
			rc = match_write(m, &matches[i], family);
	}
	if (rc == 0)
		rc = slice_finish(m);
	return rc;
}

static int slices_write(
	struct making *m, const struct workload_source *const *sources, size_t count)
{
	struct match *matches = calloc(count, sizeof *matches);
	uint16_t *numbers = calloc(count * m->port_count + 1, sizeof *numbers);
	int rc = matches && numbers ? 0 : -ENOMEM;

	if (rc == 0) {
		matches_fill(m, sources, count, matches, numbers);
		rc = family_write(m, matches, count, 4);
	}
	if (rc == 0)
		rc = family_write(m, matches, count, 6);
	cJSON_Delete(m->slice);
	free(matches);
	free(numbers);
	return rc;
}

int workload_slices_make(const struct workload_input *service, size_t at,
	const struct workload_pods *pods, const struct workload_source *const *sources,
	size_t source_count, const struct workload_host *host, uint32_t *endpoints)
{
	const cJSON *metadata = member(service->tree, "metadata");
	struct making m = {
		.host = host,
		.at = at,
		.service = service->tree,
		.ns = string_of(metadata, "namespace", ""),
		.name = string_of(metadata, "name", ""),
		.pods = pods,
		.is_ready_always = cJSON_IsTrue(
			member(member(service->tree, "spec"), "publishNotReadyAddresses")),
	};
	uint64_t wanted = *endpoints;
	int rc;

	m.family_count = clusterip_families(service->tree, m.families);
	for (size_t i = 0; i < source_count; i++)
		wanted += source_endpoints(&m, sources[i]);
	if (wanted == *endpoints)
		return 0;
	if (wanted > WORKLOAD_ENDPOINTS_MAX)
		return making_refuse(&m, "too many endpoints from selectors in all");
	*endpoints = (uint32_t)wanted;
	rc = ports_read(&m);
	return rc < 0 ? rc : slices_write(&m, sources, source_count);
}
