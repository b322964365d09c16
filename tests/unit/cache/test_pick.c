/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cache/pick.h"
#include "rules.h"

struct fixture {
	struct rules_fixture *rules;
	struct entry *entry;
	struct pick pick;
};

/* All endpoints of shop/web with two slices, of ports 80 and 81 called http, the
 * second one with 53 called dns, too. */
static struct fixture make(const char *one, const char *two)
{
	struct fixture f = {.rules = rules_new(NULL, 0)};
	const struct draft_name *name;

	store_upsert(&f.rules->store, make_service("shop", "web", 1, SERVICE_HEADLESS, ""));
	store_upsert(&f.rules->store,
		make_slice_ports("shop", "a", "web", 1, one, "80:http:TCP -1:odd:TCP"));
	store_upsert(&f.rules->store,
		make_slice_ports("shop", "b", "web", 1, two, "81:http:TCP 53:dns:UDP"));
	rules_run(f.rules, rule_endpoint, ENTRY_HEADLESS);
	name = &f.rules->draft.names[0];
	f.entry = malloc(name->entry_len);
	memcpy(f.entry, draft_entry(&f.rules->draft, name), name->entry_len);
	f.pick = (struct pick){.entry = f.entry,
		.endpoints = endpoints_of(f.entry),
		.ports = entry_block(f.entry, SLOT_PORTS)};
	f.pick.count = endpoints_count(&f.pick.endpoints);
	return f;
}

static void drop(struct fixture *f)
{
	free(f->entry);
	rules_free(f->rules);
}

static void want(struct fixture *f, const char *name, const char *protocol)
{
	f->pick.wanted = (struct port_wanted){(const uint8_t *)name, (const uint8_t *)protocol,
		(uint8_t)strlen(name), (uint8_t)strlen(protocol)};
}

static const char *addresses(const struct fixture *f, uint8_t family)
{
	static char text[2000];
	struct endpoint endpoint;
	uint32_t at = 0, count = 0;

	text[0] = '\0';
	while (pick_address_next(&f->pick, family, &at, &endpoint)) {
		char addr[INET6_ADDRSTRLEN];

		inet_ntop(family == 4 ? AF_INET : AF_INET6, endpoint.addr, addr, sizeof addr);
		strcat(strcat(text, count++ ? " " : ""), addr);
	}
	assert_int_equal(pick_address_count(&f->pick, family), count);
	return text;
}

/* "web-0:80,81 -:80" */
static const char *targets(const struct fixture *f)
{
	static char text[2000];
	struct target target;
	uint32_t at = 0;
	size_t len = 0;

	text[0] = '\0';
	while (pick_target_next(&f->pick, &at, &target)) {
		const struct port_record *port;
		uint64_t next = 0;

		len += (size_t)sprintf(text + len, "%s%.*s", len ? " " : "",
			target.label ? target.label[0] : 1,
			target.label ? (const char *)target.label + 1 : "-");
		while ((port = pick_port_next(&f->pick, &target, &next)))
			len += (size_t)sprintf(text + len, ":%d", (int)port->number);
	}
	return text;
}

static void everything(void **state)
{
	struct fixture f = make("10.0.0.1=a 10.0.0.2 fd00::1=a", "10.0.0.1=b 10.0.0.3 10.0.0.2=c");

	(void)state;
	assert_int_equal(pick_port_match(&f.pick), PICK_ALL);
	assert_string_equal(addresses(&f, 4), "10.0.0.2 10.0.0.3 10.0.0.1");
	assert_string_equal(addresses(&f, 6), "fd00::1");
	assert_string_equal(targets(&f), "-:80 -:81:53 a:80 b:81:53 c:81:53");
	assert_int_equal(pick_candidates(&f.pick), 2 * 6);
	assert_true(pick_has_srv(&f.pick));
	drop(&f);
}

static void those_with_a_port(void **state)
{
	struct fixture f = make("10.0.0.1=a 10.0.0.2 10.0.0.4=a", "10.0.0.1=b 10.0.0.3 10.0.0.2=c");

	(void)state;
	want(&f, "http", "tcp");
	assert_int_equal(pick_port_match(&f.pick), PICK_ALL);
	assert_string_equal(targets(&f), "-:80 -:81 a:80 b:81 c:81");
	assert_int_equal(pick_candidates(&f.pick), 6);
	want(&f, "dns", "udp");
	assert_int_equal(pick_port_match(&f.pick), PICK_SOME);
	/* 10.0.0.2 counts by its hostname: without one it has no such port. */
	assert_string_equal(addresses(&f, 4), "10.0.0.3 10.0.0.1 10.0.0.2");
	assert_string_equal(targets(&f), "- -:53 a b:53 c:53");
	assert_int_equal(pick_candidates(&f.pick), 3);
	want(&f, "odd", "tcp");
	assert_int_equal(pick_port_match(&f.pick), PICK_SOME);
	assert_false(pick_has_srv(&f.pick));
	assert_int_equal(pick_candidates(&f.pick), 3);
	want(&f, "nothing", "tcp");
	assert_int_equal(pick_port_match(&f.pick), PICK_NONE);
	assert_string_equal(addresses(&f, 4), "");
	assert_false(pick_has_srv(&f.pick));
	drop(&f);
}

static void one_hostname(void **state)
{
	struct fixture f = make("10.0.0.1=a 10.0.0.2=b", "10.0.0.3=a 10.0.0.1=a 10.0.0.4");

	(void)state;
	f.pick.first =
		endpoints_find_host(&f.pick.endpoints, (const uint8_t *)"\1a", &f.pick.count);
	assert_int_equal(f.pick.count, 2);
	assert_string_equal(addresses(&f, 4), "10.0.0.1 10.0.0.3");
	/* 10.0.0.1 is in both slices; 10.0.0.3 has what it had already. */
	assert_string_equal(targets(&f), "a:81:53:80");
	drop(&f);
}

/* The same hostname for all endpoints, and slices that all differ. */
static void many_of_one_name_end(void **state)
{
	char one[20000] = "", two[20000] = "";
	size_t a = 0, b = 0;
	struct fixture f;

	(void)state;
	for (unsigned i = 0; i < 700; i++) {
		a += (size_t)sprintf(one + a, "10.1.%u.%u=h ", i / 250, i % 250);
		b += (size_t)sprintf(two + b, "10.2.%u.%u=h ", i / 250, i % 250);
	}
	f = make(one, two);
	assert_int_equal(pick_address_count(&f.pick, 4), 1400);
	assert_string_equal(targets(&f), "h:80:81:53");
	drop(&f);
}

static void no_ports(void **state)
{
	struct fixture f = {.rules = rules_new(NULL, 0)};

	(void)state;
	f.pick = (struct pick){.count = 0};
	assert_int_equal(pick_port_match(&f.pick), PICK_ALL);
	want(&f, "http", "tcp");
	assert_int_equal(pick_port_match(&f.pick), PICK_NONE);
	assert_int_equal(pick_candidates(&f.pick), 0);
	assert_false(pick_has_srv(&f.pick));
	rules_free(f.rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything),
		cmocka_unit_test(those_with_a_port),
		cmocka_unit_test(one_hostname),
		cmocka_unit_test(many_of_one_name_end),
		cmocka_unit_test(no_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
