/* SPDX-License-Identifier: Apache-2.0 */
/* One writer, two readers: a Service's addresses all carry one version, in both
 * families, and what stays is always found. Run under ThreadSanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "ask.h"
#include "cache/epoch.h"

#define READERS  2
#define SERVICES 20
#define RECORDS  4

struct shared {
	struct cluster *cluster;
	atomic_int stop;
	atomic_ulong looked;
};

/* Version v of a Service: RECORDS addresses a.b.v.v, the last byte alone tells
 * the records apart. */
static void endpoints_text(unsigned version, char *out)
{
	size_t at = 0;

	for (unsigned i = 0; i < RECORDS; i++)
		at += (size_t)sprintf(out + at, "10.%u.%u.%u%s ", version >> 8 & 255, version & 255,
			i + 1, i == 0 ? "=h" : "");
	sprintf(out + at, "fd00:%x::1", version & 0xFFFF);
}

static unsigned version_of(const struct cluster_hit *hit)
{
	const struct answer *answer = hit->answer;
	unsigned version = 0;

	for (uint32_t i = hit->first; i < hit->first + hit->count; i++) {
		const uint8_t *addr = answer->rr + (size_t)i * answer->stride + ANSWER_HEAD;
		const unsigned one = answer->type == TYPE_A ? addr[1] * 256u + addr[2]
							    : addr[2] * 256u + addr[3];

		if (i > hit->first && one != version)
			abort(); /* two versions in one answer */
		version = one;
	}
	return version;
}

static void look(
	struct shared *shared, struct ask *asker, const char *name, uint16_t type, uint32_t count)
{
	uint8_t buf[1232];
	struct reply reply;

	ask_query(asker, name, type);
	cluster_find(shared->cluster, 0, &asker->query, &asker->hit);
	if (asker->hit.verdict != CLUSTER_FOUND || asker->hit.count != count)
		abort();
	if (asker->hit.kind == HIT_RRSET)
		version_of(&asker->hit);
	reply_begin(&reply, &asker->query, buf, sizeof buf);
	cluster_put(shared->cluster, &asker->hit, 12345, &reply);
	if (reply_end(&reply) < 40)
		abort();
}

/* Whatever an address leads to while everything changes, the reply is whole. */
static void look_back(struct shared *shared, struct ask *asker)
{
	const unsigned version = (unsigned)atomic_load(&shared->looked);

	for (unsigned i = 0; i < 64; i++) {
		char name[64];
		struct reply reply;
		uint8_t buf[1232];

		sprintf(name, "1.%u.%u.10.in-addr.arpa", (version + i) & 255, i & 3);
		ask_query(asker, name, TYPE_PTR);
		cluster_find(shared->cluster, 1, &asker->query, &asker->hit);
		reply_begin(&reply, &asker->query, buf, sizeof buf);
		cluster_put(shared->cluster, &asker->hit, 12345, &reply);
		if (reply_end(&reply) < 40)
			abort();
	}
	ask_query(asker, "s0.shop.svc.cluster.local", TYPE_SRV);
	cluster_find(shared->cluster, 0, &asker->query, &asker->hit);
	if (asker->hit.verdict != CLUSTER_FOUND)
		abort();
}

static void *reader(void *user)
{
	struct shared *shared = user;
	struct ask *asker = ask_new();

	epoch_thread_start();
	while (!atomic_load(&shared->stop)) {
		epoch_online();
		for (unsigned i = 0; i < SERVICES; i++) {
			char name[64];

			sprintf(name, "s%u.shop.svc.cluster.local", i);
			look(shared, asker, name, TYPE_A, RECORDS);
			look(shared, asker, name, TYPE_AAAA, 1);
			sprintf(name, "h.s%u.shop.svc.cluster.local", i);
			look(shared, asker, name, TYPE_A, 1);
			ask_query(asker, "come.shop.svc.cluster.local", TYPE_A);
			cluster_find(shared->cluster, 0, &asker->query, &asker->hit);
			if (asker->hit.verdict == CLUSTER_FOUND)
				version_of(&asker->hit);
			else if (asker->hit.verdict != CLUSTER_NXDOMAIN)
				abort(); /* never NODATA on the way */
		}
		look(shared, asker, "cluster.local", TYPE_NS, 1);
		look_back(shared, asker);
		epoch_offline();
		atomic_fetch_add(&shared->looked, SERVICES);
	}
	epoch_thread_stop();
	ask_free(asker);
	return NULL;
}

static void put_version(const struct ask_cluster *c, unsigned i, unsigned version)
{
	char name[32], endpoints[200];

	sprintf(name, "s%u", i);
	endpoints_text(version, endpoints);
	put(c, make_slice_ports("shop", name, name, version, endpoints, "80:http:TCP"));
}

static void write_round(const struct ask_cluster *c, unsigned version)
{
	for (unsigned i = 0; i < SERVICES; i++)
		put_version(c, i, version);
	for (unsigned i = 0; i < 50; i++) { /* the index grows and is cleaned */
		char name[32];

		sprintf(name, "t%u", i);
		if (version % 2)
			put(c, make_service("shop", name, version, SERVICE_CLUSTER_IP, "10.1.1.1"));
		else
			take(c, KIND_SERVICE, "shop", name, version);
	}
	if (version % 3)
		put(c, make_service("shop", "come", version, SERVICE_CLUSTER_IP, "10.1.1.1"));
	else
		take(c, KIND_SERVICE, "shop", "come", version);
	settle(c);
}

static void answers_are_never_mixed(void **state)
{
	const struct ip own = make_ip("10.200.0.1");
	const struct ask_cluster c = ask_cluster(NULL, &own, 1, 5);
	struct shared shared = {.cluster = c.cluster};
	pthread_t threads[READERS];
	unsigned version = 1;

	(void)state;
	complete_all(&c);
	for (unsigned i = 0; i < SERVICES; i++) {
		char name[32];

		sprintf(name, "s%u", i);
		put(&c, make_service("shop", name, 1, SERVICE_HEADLESS, ""));
	}
	write_round(&c, version);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, &shared), 0);
	while (version < 150 || (atomic_load(&shared.looked) < 2000 && version < 60000))
		write_round(&c, ++version);
	atomic_store(&shared.stop, 1);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(atomic_load(&shared.looked) > 0);
	cluster_free(c.cluster);
}

static void look_pod(
	struct shared *shared, struct ask *asker, const char *name, enum cluster_verdict wanted)
{
	ask_query(asker, name, strstr(name, "--") ? TYPE_AAAA : TYPE_A);
	cluster_find(shared->cluster, 0, &asker->query, &asker->hit);
	if (asker->hit.verdict != wanted)
		abort();
}

/* Pods come, go and change address while readers look: what stays is found, and what
 * never was is not. */
static void *pod_reader(void *user)
{
	struct shared *shared = user;
	struct ask *asker = ask_new();

	epoch_thread_start();
	while (!atomic_load(&shared->stop)) {
		epoch_online();
		for (unsigned i = 0; i < SERVICES; i++) {
			char name[64];

			sprintf(name, "10-9-0-%u.shop.pod.cluster.local", i);
			look_pod(shared, asker, name, CLUSTER_FOUND);
			sprintf(name, "fd00--%u.shop.pod.cluster.local", i);
			look_pod(shared, asker, name, CLUSTER_FOUND);
			/* Those that come and go have it in other namespaces. */
			sprintf(name, "10-1-0-%u.shop.pod.cluster.local", i);
			look_pod(shared, asker, name, CLUSTER_NXDOMAIN);
		}
		epoch_offline();
		atomic_fetch_add(&shared->looked, SERVICES);
	}
	epoch_thread_stop();
	ask_free(asker);
	return NULL;
}

static void pod_round(const struct ask_cluster *c, unsigned round)
{
	char ns[32], name[32], text[64];

	for (unsigned i = 0; i < 200; i++) { /* the set grows, is cleaned, shrinks */
		sprintf(ns, "team-%u", i % 7);
		sprintf(name, "p%u", i);
		sprintf(text, "10.1.%u.%u fd00:1::%u", (round + i) & 3, i, round & 255);
		if ((round + i / 50) % 4)
			put(c, make_pod(ns, name, round, text));
		else
			take(c, KIND_POD, ns, name, round);
	}
	for (unsigned i = 0; i < SERVICES; i++) { /* what stays, beside what does not */
		sprintf(name, "s%u", i);
		sprintf(text, "10.9.0.%u %s fd00::%u", i, round % 2 ? "10.8.8.8" : "", i);
		put(c, make_pod("shop", name, round, text));
	}
	settle(c);
}

static void pods_that_stay_are_found(void **state)
{
	const struct ask_cluster c =
		ask_cluster_of((struct cluster_config){.ttl_s = 5, .pods = CLUSTER_PODS_VERIFIED});
	struct shared shared = {.cluster = c.cluster};
	pthread_t threads[READERS];
	unsigned round = 1;

	(void)state;
	complete_all(&c);
	complete(&c, KIND_POD, 1);
	put(&c, make_namespace("shop", 1));
	pod_round(&c, round);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, pod_reader, &shared), 0);
	while (round < 150 || (atomic_load(&shared.looked) < 2000 && round < 60000))
		pod_round(&c, ++round);
	atomic_store(&shared.stop, 1);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(atomic_load(&shared.looked) > 0);
	cluster_free(c.cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_never_mixed),
		cmocka_unit_test(pods_that_stay_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
