/* SPDX-License-Identifier: Apache-2.0 */
/* What a large cluster costs: 10,000 Services with a slice of 15 endpoints each, and
 * 100,000 Pods.
 * The bound is on what the cluster counts itself; the objects here are made a
 * little larger than the decoder makes them, so they are left out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ask.h"

#define SERVICES  10000
#define ENDPOINTS 15
#define PODS      100000

static struct object *trimmed(struct object *object, uint64_t *objects)
{
	*objects += object->size;
	return object;
}

static void large_cluster(void **state)
{
	const struct ask_cluster c = ask_cluster(NULL, NULL, 0, 5);
	struct ask *asker = ask_new();
	struct cluster_stats base, now;
	uint64_t objects = 0, cost;

	(void)state;
	cluster_stats(c.cluster, &base);
	complete_all(&c);
	for (unsigned i = 0; i < SERVICES; i++) {
		char ns[32], name[32], slice[32], text[ENDPOINTS * 20], ip[32];
		size_t at = 0;

		sprintf(ns, "team-%u", i / 100);
		sprintf(name, "service-%u", i);
		sprintf(slice, "service-%u-x7k2p", i);
		sprintf(ip, "10.200.%u.%u", i / 250, i % 250);
		for (unsigned e = 0; e < ENDPOINTS; e++)
			at += (size_t)sprintf(text + at, "10.%u.%u.%u ", i % 200, i / 200 % 256, e);
		put(&c, trimmed(make_service(ns, name, i + 1, SERVICE_CLUSTER_IP, ip), &objects));
		put(&c, trimmed(make_slice(ns, slice, name, i + 1, text), &objects));
	}
	settle(&c);
	cluster_stats(c.cluster, &now);
	assert_int_equal(now.endpoints, SERVICES * ENDPOINTS);
	assert_string_equal(
		ask(asker, c.cluster, "10-7-0-3.service-7.team-0.svc.cluster.local", "A"),
		"NOERROR A 10.7.0.3");
	cost = (now.bytes - base.bytes - objects) / SERVICES;
	print_message("%llu bytes a Service with %u endpoints, objects left out; %llu nodes\n",
		(unsigned long long)cost, ENDPOINTS, (unsigned long long)now.nodes);
	/* 16 bytes a record and up to 24 to find it by its address; 380 for entry,
	 * node, records of the store and tables. */
	assert_in_range(cost, 1, 380 + (16 + 24) * (ENDPOINTS + 1));
	ask_free(asker);
	cluster_free(c.cluster);
}

/* Pods with one address, or with one of each family; 25 bytes of name. */
static uint64_t pod_cost(const char *second)
{
	const struct ask_cluster c =
		ask_cluster_of((struct cluster_config){.ttl_s = 5, .pods = CLUSTER_PODS_VERIFIED});
	struct cluster_stats base, now;

	complete_all(&c);
	complete(&c, KIND_POD, 1);
	cluster_stats(c.cluster, &base);
	for (unsigned i = 0; i < PODS; i++) {
		char ns[32], name[32], text[64];
		size_t at;

		sprintf(ns, "team-%u", i / 1000);
		sprintf(name, "web-7d4b9c6f5d-%06u-x7k2p", i);
		assert_int_equal(strlen(name), 27);
		name[25] = '\0';
		at = (size_t)sprintf(text, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		if (*second)
			sprintf(text + at, second, i >> 16, i & 0xFFFF);
		put(&c, make_pod(ns, name, i + 1, text));
		if (i % 1000 == 0)
			settle(&c);
	}
	settle(&c);
	cluster_stats(c.cluster, &now);
	assert_int_equal(now.pods, PODS);
	cluster_free(c.cluster);
	return (now.bytes - base.bytes) / PODS;
}

static void many_pods(void **state)
{
	const uint64_t one = pod_cost(""), two = pod_cost(" fd00::%x:%x");

	(void)state;
	print_message("%llu bytes a Pod with an IPv4 address, %llu with both families\n",
		(unsigned long long)one, (unsigned long long)two);
	/* Record, bucket and pair, as pods.h has them. */
	assert_in_range(one, 1, 60 + 16 + 23);
	assert_in_range(two, 1, 60 + 16 + 23 + 16 + 44);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_cluster),
		cmocka_unit_test(many_pods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
