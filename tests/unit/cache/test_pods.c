/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/pods.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "nomem.h"
#include "objects.h"

static const uint8_t secret[16] = "0123456789abcde";

struct fixture {
	struct epoch_bin bin;
	struct pods pods;
	uint64_t base;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	assert_int_equal(pods_init(&f->pods, secret, &f->bin), 0);
	f->base = pods_bytes(&f->pods);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pods_free(&f->pods);
	epoch_bin_free(&f->bin);
	free(f);
	return 0;
}

static size_t key_of(const char *ns, uint8_t key[72])
{
	const size_t len = strlen(ns);

	key[0] = (uint8_t)len;
	memcpy(key + 1, ns, len);
	memcpy(key + 1 + len, "\3svc", 4);
	return len + 5;
}

static int upsert_marked(struct fixture *f, const char *ns, const char *name, const char *addresses,
	uint32_t generation, enum pods_change *change)
{
	struct object *object = make_pod(ns, name, 1, addresses);
	uint8_t key[72];
	const size_t len = key_of(ns, key);
	const int rc = pods_upsert(
		&f->pods, key, len, (const struct pod *)(void *)object, generation, change);

	object_free(object);
	return rc;
}

static enum pods_change upsert(
	struct fixture *f, const char *ns, const char *name, const char *addresses)
{
	enum pods_change change;

	assert_int_equal(upsert_marked(f, ns, name, addresses, 0, &change), 0);
	return change;
}

static bool take(struct fixture *f, const char *ns, const char *name)
{
	uint8_t key[72];
	const size_t len = key_of(ns, key);

	return pods_remove(&f->pods, key, len, name);
}

static bool have(struct fixture *f, const char *ns, const char *address)
{
	const struct ip ip = make_ip(address);
	uint8_t key[72];

	key_of(ns, key);
	return pods_have(&f->pods, key, ip.family, ip.bytes);
}

/* The namespace's name, "" for none. */
static const char *namespace_of(struct fixture *f, const char *address)
{
	static char text[64];
	const struct ip ip = make_ip(address);
	size_t len;
	const uint8_t *key = pods_find_namespace(&f->pods, ip.family, ip.bytes, &len);

	text[0] = '\0';
	if (!key)
		return text;
	assert_int_equal(len, key[0] + 5u);
	assert_memory_equal(key + 1 + key[0], "\3svc", 4);
	memcpy(text, key + 1, key[0]);
	text[key[0]] = '\0';
	return text;
}

static void every_address_counts(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(upsert(f, "shop", "web", "10.1.0.1 fd00::1 10.1.0.2"), PODS_NEW);
	assert_true(have(f, "shop", "10.1.0.1"));
	assert_true(have(f, "shop", "10.1.0.2"));
	assert_true(have(f, "shop", "fd00::1"));
	assert_false(have(f, "shop", "10.1.0.3"));
	assert_false(have(f, "shop", "fd00::2"));
	assert_false(have(f, "sho", "10.1.0.1"));
	assert_false(have(f, "shops", "10.1.0.1"));
	assert_false(have(f, "", "10.1.0.1"));
	/* The bytes of an IPv4 address in an IPv6 one are another address. */
	assert_false(have(f, "shop", "a01:1::"));
	assert_int_equal(upsert(f, "shop", "web", "10.1.0.1 fd00::1 10.1.0.2"), PODS_SAME);
	assert_true(take(f, "shop", "web"));
	assert_false(take(f, "shop", "web"));
	assert_false(have(f, "shop", "10.1.0.1"));
	assert_false(have(f, "shop", "fd00::1"));
	assert_int_equal(pods_bytes(&f->pods), f->base);
}

static void addresses_change(void **state)
{
	struct fixture *f = *state;

	upsert(f, "shop", "web", "10.1.0.1 fd00::1");
	assert_int_equal(upsert(f, "shop", "web", "10.1.0.2 fd00::1"), PODS_CHANGED);
	assert_false(have(f, "shop", "10.1.0.1"));
	assert_true(have(f, "shop", "10.1.0.2"));
	assert_true(have(f, "shop", "fd00::1"));
	assert_int_equal(upsert(f, "shop", "web", "10.1.0.2"), PODS_CHANGED);
	assert_false(have(f, "shop", "fd00::1"));
	/* An address goes on to another Pod, in either order of events. */
	upsert(f, "bill", "new", "10.1.0.2");
	assert_true(have(f, "shop", "10.1.0.2"));
	assert_true(have(f, "bill", "10.1.0.2"));
	take(f, "shop", "web");
	assert_false(have(f, "shop", "10.1.0.2"));
	assert_true(have(f, "bill", "10.1.0.2"));
	/* The same address twice in one Pod. */
	upsert(f, "bill", "new", "10.1.0.9 10.1.0.9");
	assert_true(have(f, "bill", "10.1.0.9"));
	upsert(f, "bill", "new", "10.1.0.9");
	assert_true(have(f, "bill", "10.1.0.9"));
	take(f, "bill", "new");
	assert_false(have(f, "bill", "10.1.0.9"));
	assert_int_equal(pods_bytes(&f->pods), f->base);
}

static void shared_addresses_are_counted(void **state)
{
	struct fixture *f = *state;
	char name[32];

	for (unsigned i = 0; i < 600; i++) {
		sprintf(name, "agent-%u", i);
		upsert(f, "kube-system", name, "192.168.0.1 fd00::1");
	}
	for (unsigned i = 0; i < 600; i++) {
		assert_true(have(f, "kube-system", "192.168.0.1"));
		assert_true(have(f, "kube-system", "fd00::1"));
		sprintf(name, "agent-%u", i);
		assert_true(take(f, "kube-system", name));
	}
	assert_false(have(f, "kube-system", "192.168.0.1"));
	assert_false(have(f, "kube-system", "fd00::1"));
}

static void names_are_exact(void **state)
{
	struct fixture *f = *state;

	upsert(f, "shop", "web", "10.1.0.1");
	upsert(f, "shop", "we", "10.1.0.2");
	upsert(f, "bill", "web", "10.1.0.3");
	assert_false(take(f, "shop", "w"));
	assert_false(take(f, "shop", "webb"));
	assert_false(take(f, "none", "web"));
	assert_true(take(f, "shop", "web"));
	assert_true(have(f, "shop", "10.1.0.2"));
	assert_true(have(f, "bill", "10.1.0.3"));
}

static void namespace_of_an_address(void **state)
{
	struct fixture *f = *state;
	struct pods none = {.bytes = 0};
	size_t len;

	assert_string_equal(namespace_of(f, "10.1.0.1"), "");
	upsert(f, "shop", "web", "10.1.0.1 fd00::1");
	assert_string_equal(namespace_of(f, "10.1.0.1"), "shop");
	assert_string_equal(namespace_of(f, "fd00::1"), "shop");
	assert_string_equal(namespace_of(f, "10.1.0.2"), "");
	/* The smallest name, whatever came first, and not the shortest. */
	upsert(f, "zoo", "a", "10.1.0.1");
	upsert(f, "sho", "a", "10.1.0.1");
	upsert(f, "sh-o", "a", "10.1.0.1");
	assert_string_equal(namespace_of(f, "10.1.0.1"), "sh-o");
	take(f, "sh-o", "a");
	assert_string_equal(namespace_of(f, "10.1.0.1"), "sho");
	take(f, "sho", "a");
	assert_string_equal(namespace_of(f, "10.1.0.1"), "shop");
	take(f, "shop", "web");
	assert_string_equal(namespace_of(f, "10.1.0.1"), "zoo");
	assert_null(pods_find_namespace(&none, 4, secret, &len));
	assert_null(pods_find_namespace(&none, 6, secret, &len));
}

static uint32_t generation_now;

static void sweep_one(void *user, struct table_link *link)
{
	pods_sweep(user, link, generation_now);
}

static void sweep_takes_what_is_gone(void **state)
{
	struct fixture *f = *state;
	enum pods_change change;
	char name[32], address[32];

	for (unsigned i = 0; i < 1000; i++) {
		sprintf(name, "p%u", i);
		sprintf(address, "10.1.%u.%u", i / 250, i % 250);
		assert_int_equal(
			upsert_marked(f, i % 2 ? "odd" : "even", name, address, 1, &change), 0);
	}
	for (unsigned i = 0; i < 1000; i += 4) {
		sprintf(name, "p%u", i);
		sprintf(address, "10.1.%u.%u", i / 250, i % 250);
		assert_int_equal(upsert_marked(f, "even", name, address, 2, &change), 0);
		assert_int_equal(change, PODS_SAME);
	}
	generation_now = 2;
	table_each(&f->pods.records, sweep_one, &f->pods);
	for (unsigned i = 0; i < 1000; i++) {
		sprintf(address, "10.1.%u.%u", i / 250, i % 250);
		assert_int_equal(have(f, i % 2 ? "odd" : "even", address), i % 4 == 0);
	}
	assert_int_equal(f->pods.spaces.count, 1);
	generation_now = 3;
	table_each(&f->pods.records, sweep_one, &f->pods);
	epoch_reclaim(&f->bin);
	assert_in_range(pods_bytes(&f->pods), 1, 2 * f->base);
}

/* Random changes against a plain table of what every Pod has. */
#define MODEL_PODS   60
#define MODEL_IPS    24
#define MODEL_SPACES 3

static void random_changes(void **state)
{
	static const char *const spaces[MODEL_SPACES] = {"a", "b", "a-b"};
	static const char *const ips[] = {"10.0.0.%u", "fd00::%u"};
	struct fixture *f = *state;
	uint32_t mask[MODEL_PODS] = {0};
	unsigned seed = 20240611;

	for (unsigned turn = 0; turn < 20000; turn++) {
		const unsigned at = (unsigned)rand_r(&seed) % MODEL_PODS;
		uint32_t fresh = 0;
		char name[16], text[200] = "";

		sprintf(name, "p%u", at);
		for (unsigned n = (unsigned)rand_r(&seed) % 4; n; n--) {
			const unsigned bit = (unsigned)rand_r(&seed) % MODEL_IPS;

			if (fresh & 1u << bit)
				continue;
			fresh |= 1u << bit;
			sprintf(text + strlen(text), ips[bit % 2], bit);
			strcat(text, " ");
		}
		if (fresh)
			assert_int_equal(
				upsert(f, spaces[at % MODEL_SPACES], name, text) == PODS_NEW,
				!mask[at]);
		else
			assert_int_equal(take(f, spaces[at % MODEL_SPACES], name), !!mask[at]);
		mask[at] = fresh;
		epoch_reclaim(&f->bin);
		if (turn % 100)
			continue;
		for (unsigned check = 0; check < MODEL_IPS * MODEL_SPACES; check++) {
			const unsigned bit = check / MODEL_SPACES, space = check % MODEL_SPACES;
			bool wanted = false;

			for (unsigned i = space; i < MODEL_PODS; i += MODEL_SPACES)
				wanted |= mask[i] >> bit & 1;
			sprintf(text, ips[bit % 2], bit);
			assert_int_equal(have(f, spaces[space], text), wanted);
		}
	}
}

/* Every allocation of an upsert fails once: -ENOMEM, and nothing has changed. */
static void every_allocation_fails_once(void **state)
{
	struct fixture *f = *state;
	struct pods none = {.bytes = 0};
	unsigned failures = 0;

	for (unsigned nth = 1;; nth++) {
		int rc;

		nomem_at(nth);
		rc = pods_init(&none, secret, &f->bin);
		nomem_at(0);
		if (!rc)
			break;
		assert_int_equal(rc, -ENOMEM);
		none = (struct pods){.bytes = 0};
		failures++;
	}
	pods_free(&none);
	assert_int_equal(failures, 4);
	for (unsigned i = 0; i < 300; i++) {
		char name[16], text[64];

		sprintf(name, "p%u", i % 200);
		sprintf(text, "10.0.%u.%u fd00::%u", i / 200, i % 200, i);
		for (unsigned nth = 1;; nth++) {
			struct object *pod = make_pod(i % 7 ? "shop" : name, name, 1, text);
			uint8_t key[72];
			const size_t len = key_of(pod->ns, key);
			const size_t count = f->pods.records.count;
			enum pods_change change;
			int rc;

			nomem_at(nth);
			rc = pods_upsert(&f->pods, key, len, (struct pod *)(void *)pod, 1, &change);
			nomem_at(0);
			sprintf(text, "10.0.%u.%u", i / 200, i % 200);
			assert_int_equal(have(f, pod->ns, text), !rc);
			sprintf(text, "10.0.%u.%u fd00::%u", i / 200, i % 200, i);
			object_free(pod);
			if (!rc)
				break;
			assert_int_equal(rc, -ENOMEM);
			assert_int_equal(f->pods.records.count, count);
			failures++;
		}
	}
	assert_true(failures > 300);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_address_counts),
		CASE(addresses_change),
		CASE(shared_addresses_are_counted),
		CASE(names_are_exact),
		CASE(namespace_of_an_address),
		CASE(sweep_takes_what_is_gone),
		CASE(random_changes),
		CASE(every_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
