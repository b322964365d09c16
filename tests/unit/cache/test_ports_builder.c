/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/ports_builder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/ports.h"
#include "nomem.h"

static const struct port http[] = {{80, "http", "TCP"}};
static const struct port http_again[] = {{80, "HTTP", "tcp"}};
static const struct port both[] = {{80, "http", "TCP"}, {53, "dns", "UDP"}};
static const struct port other[] = {{8080, "http", "TCP"}};

struct fixture {
	struct ports_builder builder;
	struct draft draft;
	char text[2000];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	draft_init(&f->draft, 5);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ports_builder_free(&f->builder);
	draft_free(&f->draft);
	free(f);
	return 0;
}

/* "80 53x2|8080 of 0 1" (53 twice), "": nothing was written. */
static const char *written(struct fixture *f)
{
	const struct port_set *set;
	size_t at = 0;

	draft_reset(&f->draft);
	draft_begin(&f->draft, (const uint8_t *)"\1x", 2, ENTRY_HEADLESS);
	ports_builder_write(&f->builder, &f->draft, SLOT_ENDPOINT_PORTS);
	draft_end(&f->draft);
	assert_int_equal(f->draft.error, 0);
	set = entry_block(
		(const void *)draft_entry(&f->draft, &f->draft.names[0]), SLOT_ENDPOINT_PORTS);
	f->text[0] = '\0';
	for (unsigned g = 0; set && g < set->group_count; g++) {
		const struct port_group *group = ports_groups(set) + g;

		at += (size_t)sprintf(f->text + at, "%s", g ? "|" : "");
		for (unsigned i = 0; i < group->count; i++) {
			const struct port_record *port = &set->ports[group->first + i];

			at += (size_t)sprintf(
				f->text + at, "%s%d", i ? " " : "", (int)port->number);
			if (port->times != 1)
				at += (size_t)sprintf(f->text + at, "x%u", port->times);
		}
	}
	for (size_t i = 0; set && set->group_count > 1 && i < f->builder.member_count; i++)
		at += (size_t)sprintf(
			f->text + at, "%s %u", i ? "" : " of", ports_group_of(set, (uint32_t)i));
	return f->text;
}

static void equal_lists_are_one(void **state)
{
	struct fixture *f = *state;
	const uint32_t a = ports_builder_list(&f->builder, http, 1);

	assert_int_equal(ports_builder_list(&f->builder, http_again, 1), a);
	ports_builder_member(&f->builder, a, true);
	ports_builder_member(&f->builder, a, true);
	assert_string_equal(written(f), "80");
}

static void no_ports_no_set(void **state)
{
	struct fixture *f = *state;
	uint32_t none;

	assert_string_equal(written(f), "");
	none = ports_builder_list(&f->builder, NULL, 0);
	ports_builder_member(&f->builder, none, true);
	assert_string_equal(written(f), "");
	/* Beside others it is a group, of one port that nobody can ask for. */
	ports_builder_reset(&f->builder);
	none = ports_builder_list(&f->builder, NULL, 0);
	ports_builder_member(&f->builder, none, true);
	ports_builder_member(&f->builder, ports_builder_list(&f->builder, http, 1), true);
	assert_string_equal(written(f), "-1|80 of 0 1");
}

static void lists_of_one_endpoint_unite(void **state)
{
	struct fixture *f = *state;
	const uint32_t a = ports_builder_list(&f->builder, http, 1);
	const uint32_t b = ports_builder_list(&f->builder, both, 2);
	const uint32_t c = ports_builder_list(&f->builder, other, 1);

	ports_builder_member(&f->builder, a, true);
	ports_builder_member(&f->builder, b, true);
	ports_builder_member(&f->builder, a, false);
	ports_builder_member(&f->builder, c, true);
	ports_builder_member(&f->builder, a, false);
	ports_builder_member(&f->builder, a, true);
	ports_builder_member(&f->builder, c, false);
	ports_builder_member(&f->builder, c, false);
	ports_builder_member(&f->builder, c, true);
	/* a; a and b; a and c; a and c twice; c. Equal ports once, and how often. */
	assert_string_equal(written(f), "80|80x2 53|80 8080|80 8080x2|8080 of 0 1 2 3 4");
}

/* Runs of up to seven endpoints, whose lists follow each other in all ways. */
static void many_are_as_one_by_one(void **state)
{
	struct fixture *f = *state;
	char wanted[sizeof f->text];

	for (unsigned seed = 0; seed < 200; seed++) {
		for (unsigned at_once = 0; at_once < 2; at_once++) {
			uint32_t lists[3], draw = seed;

			ports_builder_reset(&f->builder);
			lists[0] = ports_builder_list(&f->builder, http, 1);
			lists[1] = ports_builder_list(&f->builder, both, 2);
			lists[2] = ports_builder_list(&f->builder, NULL, 0);
			for (unsigned run = 0; run < 12; run++) {
				const uint32_t list = lists[draw / 7 % 3];
				const bool fresh = !run || draw & 64;
				const size_t n = 1 + draw % 7;

				for (size_t i = 0; !at_once && i < n; i++)
					ports_builder_member(&f->builder, list, i || fresh);
				if (at_once)
					ports_builder_members(&f->builder, list, fresh, n);
				draw = (draw * 1103515245 + 12345) >> 3;
			}
			written(f);
			if (at_once)
				assert_string_equal(f->text, wanted);
			memcpy(wanted, f->text, sizeof wanted);
		}
	}
}

/* A Service of slices that all differ stays within what a set can count. */
static void counts_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct port *ports = calloc(70000, sizeof *ports);

	assert_non_null(ports);
	for (uint32_t i = 0; i < 70000; i++)
		ports[i] = (struct port){(int32_t)(i % 60000), "", "TCP"};
	for (uint32_t i = 0; i < 70000; i++)
		ports_builder_member(
			&f->builder, ports_builder_list(&f->builder, &ports[i], 1), true);
	draft_begin(&f->draft, (const uint8_t *)"\1x", 2, ENTRY_HEADLESS);
	ports_builder_write(&f->builder, &f->draft, SLOT_ENDPOINT_PORTS);
	assert_int_equal(f->draft.error, 0);
	assert_int_equal(f->builder.group_count, UINT16_MAX);
	assert_int_equal(f->builder.member_count, 70000);
	for (size_t i = 0; i < 70000; i++)
		assert_true(f->builder.group_of[i] < f->builder.group_count);
	ports_builder_reset(&f->builder);
	assert_int_equal(f->builder.list_cap, 0); /* given back */
	/* One list that is too long for a set is left out. */
	ports_builder_member(&f->builder, ports_builder_list(&f->builder, ports, 70000), true);
	assert_string_equal(written(f), "");
	free(ports);
}

static void long_texts_are_no_names(void **state)
{
	static const char text[] =
		"a234567890123456789012345678901234567890123456789012345678901234";
	const struct port port = {80, text, text};
	struct fixture *f = *state;
	const struct port_set *set;

	ports_builder_member(&f->builder, ports_builder_list(&f->builder, &port, 1), true);
	assert_string_equal(written(f), "80");
	set = entry_block(
		(const void *)draft_entry(&f->draft, &f->draft.names[0]), SLOT_ENDPOINT_PORTS);
	assert_int_equal(((const uint8_t *)set)[set->ports[0].text_at], 0);
	assert_int_equal(((const uint8_t *)set)[set->ports[0].text_at + 1], 0);
}

static void errors_stick(void **state)
{
	struct fixture *f = *state;
	unsigned failures = 0;

	for (unsigned nth = 1; nth < 30; nth++) {
		uint32_t a, b;

		ports_builder_free(&f->builder);
		draft_free(&f->draft);
		draft_begin(&f->draft, (const uint8_t *)"\1x", 2, ENTRY_HEADLESS);
		nomem_at(nth);
		a = ports_builder_list(&f->builder, http, 1);
		b = ports_builder_list(&f->builder, both, 2);
		ports_builder_member(&f->builder, a, true);
		ports_builder_member(&f->builder, b, false);
		ports_builder_members(&f->builder, b, true, 100);
		ports_builder_write(&f->builder, &f->draft, SLOT_ENDPOINT_PORTS);
		nomem_at(0);
		if (!f->draft.error)
			break;
		assert_int_equal(f->draft.error, -ENOMEM);
		f->draft.error = 0;
		f->draft.name_count = 0;
		failures++;
	}
	assert_in_range(failures, 6, 20);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(equal_lists_are_one),
		CASE(no_ports_no_set),
		CASE(lists_of_one_endpoint_unite),
		CASE(many_are_as_one_by_one),
		CASE(counts_are_bounded),
		CASE(long_texts_are_no_names),
		CASE(errors_stick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
