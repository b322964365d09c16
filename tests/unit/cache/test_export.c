/* SPDX-License-Identifier: Apache-2.0 */
/* What is exported against what is answered: every owner is asked for every type,
 * and every name that can be made of the objects is looked for in the export. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ask.h"
#include "cache/export.h"
#include "copy.h"

#include <errno.h>

#define ZONE "cluster.local."

static struct ask *asker;
static struct ask_cluster c;
static struct copy_account account;
static struct zone_copy *copy;
static struct copy_text text;

static void start(const struct ip *own, size_t own_count)
{
	asker = ask_new();
	c = ask_cluster(NULL, own, own_count, 30);
	atomic_init(&account.bytes, 0);
	account.limit = 1 << 26;
	copy = NULL;
}

static int setup(void **state)
{
	const struct ip own = make_ip("10.9.9.9");

	(void)state;
	start(&own, 1);
	return 0;
}

static void drop(void)
{
	copy_text_free(&text);
	zone_copy_drop(copy);
	copy = NULL;
	assert_int_equal(atomic_load(&account.bytes), 0);
}

static int teardown(void **state)
{
	(void)state;
	drop();
	ask_free(asker);
	cluster_free(c.cluster);
	return 0;
}

static int try(size_t zone)
{
	struct zone_export *taken = NULL;
	int rc = cluster_export(c.cluster, &taken);

	if (!rc)
		rc = export_zone(taken, zone, &account, &copy);
	export_free(taken);
	return rc;
}

/* zone: the number in ask.h; name: with its final dot. */
static void export(size_t zone, const char *name)
{
	drop();
	assert_int_equal(try(zone), 0);
	text = copy_read(copy, name);
}

static void service(const char *name, enum service_type type, const char *what, const char *ports)
{
	put(&c, make_service_ports("shop", name, 2, type, what, ports));
}

static void slice(const char *name, const char *of, const char *endpoints, const char *ports)
{
	put(&c, make_slice_ports("shop", name, of, 3, endpoints, ports));
}

/* ---- the records in their order ---- */

static void expect(const char *const *wanted)
{
	size_t i = 0;

	for (; wanted[i] && i < text.count; i++) {
		if (strncmp(wanted[i], text.lines[i], strlen(wanted[i])) != 0)
			fail_msg("record %zu: '%s', wanted '%s'", i, text.lines[i], wanted[i]);
	}
	if (wanted[i] || i < text.count)
		fail_msg("%zu records, %s is next", text.count,
			wanted[i] ? wanted[i] : text.lines[i]);
}

static void test_all_kinds_of_names(void **state)
{
	static const char *const wanted[] = {
		"@ SOA ns.dns.cluster.local. hostmaster.cluster.local. ",
		"@ NS kube-dns.shop.svc.cluster.local.",
		"ns.dns A 10.96.0.10",
		"dns-version TXT \"1.1.0\"",
		"cdn.shop.svc CNAME cdn.example.org.",
		"db.shop.svc A 10.1.0.3",
		"db.shop.svc A 10.1.0.1",
		"db.shop.svc AAAA fd00::1",
		"db.shop.svc SRV 0 33 5432 10-1-0-3.db.shop.svc.cluster.local.",
		"db.shop.svc SRV 0 33 5432 db-0.db.shop.svc.cluster.local.",
		"_pg._tcp.db.shop.svc A 10.1.0.3",
		"_pg._tcp.db.shop.svc A 10.1.0.1",
		"_pg._tcp.db.shop.svc AAAA fd00::1",
		"_pg._tcp.db.shop.svc SRV 0 33 5432 10-1-0-3.db.shop.svc.cluster.local.",
		"_pg._tcp.db.shop.svc SRV 0 33 5432 db-0.db.shop.svc.cluster.local.",
		"10-1-0-3.db.shop.svc A 10.1.0.3",
		"10-1-0-3.db.shop.svc SRV 0 100 5432 10-1-0-3.db.shop.svc.cluster.local.",
		"db-0.db.shop.svc A 10.1.0.1",
		"db-0.db.shop.svc AAAA fd00::1",
		"db-0.db.shop.svc SRV 0 50 5432 db-0.db.shop.svc.cluster.local.",
		"kube-dns.shop.svc A 10.96.0.10",
		"kube-dns.shop.svc SRV 0 33 53 kube-dns.shop.svc.cluster.local.",
		"kube-dns.shop.svc SRV 0 33 9153 kube-dns.shop.svc.cluster.local.",
		"_dns._udp.kube-dns.shop.svc A 10.96.0.10",
		"_dns._udp.kube-dns.shop.svc SRV 0 100 53 kube-dns.shop.svc.cluster.local.",
		"_dns-tcp._tcp.kube-dns.shop.svc A 10.96.0.10",
		"_dns-tcp._tcp.kube-dns.shop.svc SRV 0 100 53 kube-dns.shop.svc.cluster.local.",
		"10-9-9-9.kube-dns.shop.svc A 10.9.9.9",
		"@ SOA ns.dns.cluster.local. hostmaster.cluster.local. ",
		NULL,
	};
	char serial[32];

	(void)state;
	complete_all(&c);
	put(&c, make_namespace("empty", 4));
	service("kube-dns", SERVICE_CLUSTER_IP, "10.96.0.10",
		"53:dns:UDP 53:dns-tcp:TCP 9153::TCP");
	slice("kd", "kube-dns", "10.9.9.9", "");
	service("db", SERVICE_HEADLESS, "", "");
	slice("d", "db", "10.1.0.3 10.1.0.1=db-0 fd00::1=db-0", "5432:pg:TCP");
	service("gone", SERVICE_HEADLESS, "", "");
	service("cdn", SERVICE_EXTERNAL_NAME, "cdn.example.org", "");
	put(&c, make_import("shop", "set", 7, SERVICE_CLUSTER_IP, "10.97.0.1"));
	service("literal", SERVICE_EXTERNAL_NAME, "192.0.2.1", "");
	settle(&c);
	export(0, ZONE);
	expect(wanted);
	snprintf(serial, sizeof serial, " %u 7200 1800 86400 30", cluster_serial(c.cluster));
	assert_non_null(strstr(text.lines[0], serial));
	assert_string_equal(text.lines[0], text.lines[text.count - 1]);
	assert_int_equal(zone_copy_serial(copy), cluster_serial(c.cluster));
	/* the other forward zone has the same names */
	export(3, "clusterset.local.");
	assert_int_equal(text.count, sizeof wanted / sizeof *wanted - 1);
	assert_string_equal(text.lines[1], "@ NS kube-dns.shop.svc.clusterset.local.");
	assert_string_equal(text.lines[7], "db.shop.svc AAAA fd00::1");
}

/* A name that two things claim is exported as it is answered. */
static void test_hidden_names(void **state)
{
	static const char *const wanted[] = {
		"@ SOA",
		"@ NS",
		"ns.dns A",
		"dns-version TXT",
		"web.shop.svc A 10.96.0.1",
		"web.shop.svc SRV 0 100 80 web.shop.svc.cluster.local.",
		"_http._tcp.web.shop.svc A 10.96.0.1",
		"_http._tcp.web.shop.svc SRV 0 100 80 web.shop.svc.cluster.local.",
		"10-1-0-2.web.shop.svc A 10.1.0.2",
		"10-1-0-2.web.shop.svc A 10.1.0.3",
		"tcp.web.shop.svc A 10.1.0.1",
		"x.web.shop.svc A 10.1.0.1",
		"@ SOA",
		NULL,
	};

	(void)state;
	complete_all(&c);
	service("web", SERVICE_CLUSTER_IP, "10.96.0.1", "80:http:TCP");
	/* a hostname like a protocol, and one that spells another's address */
	slice("w", "web", "10.1.0.1=tcp 10.1.0.1=x 10.1.0.2 10.1.0.3=10-1-0-2", "");
	settle(&c);
	export(0, ZONE);
	expect(wanted);
}

static void test_not_complete(void **state)
{
	(void)state;
	assert_int_equal(try(0), -EAGAIN);
	complete(&c, KIND_NAMESPACE, 1);
	complete(&c, KIND_SERVICE, 1);
	assert_false(cluster_complete(c.cluster));
	assert_int_equal(try(0), -EAGAIN);
	complete(&c, KIND_SLICE, 1);
	assert_true(cluster_complete(c.cluster));
	assert_int_equal(try(1), -EINVAL);
	account.limit = 10;
	assert_int_equal(try(0), -ENOBUFS);
	account.limit = 1 << 20;
	export(0, ZONE);
	assert_int_equal(text.count, 5);
}

/* What was taken stays what it was, whatever is published or freed meanwhile. */
static void test_one_version(void **state)
{
	struct zone_export *taken;
	uint32_t serial;

	(void)state;
	complete_all(&c);
	service("web", SERVICE_CLUSTER_IP, "10.96.0.1", "80:http:TCP");
	slice("w", "web", "10.1.0.1=a", "80:http:TCP");
	settle(&c);
	serial = cluster_serial(c.cluster);
	assert_int_equal(cluster_export(c.cluster, &taken), 0);
	service("web", SERVICE_CLUSTER_IP, "10.96.0.2", "81:http:TCP");
	service("new", SERVICE_CLUSTER_IP, "10.96.0.3", "81:http:TCP");
	take(&c, KIND_SLICE, "shop", "w", 9);
	settle(&c);
	assert_int_not_equal(serial, cluster_serial(c.cluster));
	assert_int_equal(export_zone(taken, 0, &account, &copy), 0);
	text = copy_read(copy, ZONE);
	assert_int_equal(zone_copy_serial(copy), serial);
	assert_int_equal(text.count, 5 + 4 + 2);
	assert_string_equal(text.lines[4], "web.shop.svc A 10.96.0.1");
	assert_string_equal(text.lines[8], "a.web.shop.svc A 10.1.0.1");
	export_free(taken);
	export_free(NULL);
}

/* Sets that no single message can hold. */
static void test_large(void **state)
{
	const size_t endpoints = 5000;
	char *list = calloc(endpoints + 1, 16);
	size_t len = 0, a = 0, srv = 0;

	(void)state;
	for (unsigned i = 0; i < endpoints; i++)
		len += (size_t)sprintf(list + len, "10.%u.%u.1 ", 1 + i / 256, i % 256);
	complete_all(&c);
	service("db", SERVICE_HEADLESS, "", "");
	slice("d", "db", list, "5432:pg:TCP");
	settle(&c);
	export(0, ZONE);
	for (size_t i = 0; i < text.count; i++) {
		a += strncmp(text.lines[i], "db.shop.svc A ", 14) == 0;
		srv += strncmp(text.lines[i], "_pg._tcp.db.shop.svc SRV ", 25) == 0;
	}
	assert_int_equal(a, endpoints);
	assert_int_equal(srv, endpoints);
	assert_int_equal(text.count, 5 + 6 * endpoints);
	free(list);
}

/* ---- the same as is answered ---- */

static const char *const types[] = {"A", "AAAA", "SRV", "TXT", "CNAME", "NS", "MX"};

static int line_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "NOERROR TYPE rdata TYPE rdata" of what was exported for a name and type. */
static const char *exported(const char *owner, const char *type)
{
	static char out[1 << 17];
	char prefix[1100];
	size_t at = (size_t)sprintf(out, "NOERROR"), none = at;

	snprintf(prefix, sizeof prefix, "%s %s ", owner, type);
	for (size_t i = 0; i < text.count; i++) {
		if (strncmp(text.lines[i], prefix, strlen(prefix)) == 0)
			at += (size_t)sprintf(out + at, " %s", text.lines[i] + strlen(owner) + 1);
	}
	return at == none ? NULL : out;
}

static bool owner_exported(const char *owner)
{
	const size_t len = strlen(owner);

	for (size_t i = 0; i < text.count; i++) {
		if (strncmp(text.lines[i], owner, len) == 0 && text.lines[i][len] == ' ')
			return true;
	}
	return false;
}

/* What a secondary answers that has the export, for one of its owners. */
static void compare(const char *owner)
{
	char name[1100];
	const char *alias = exported(owner, "CNAME");

	snprintf(name, sizeof name, "%s.%s", owner, ZONE);
	for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
		const char *answer = ask(asker, c.cluster, owner[0] == '@' ? ZONE : name, types[t]);
		const char *wanted = alias ? alias : exported(owner, types[t]);

		if (strcmp(answer, wanted ? wanted : "NODATA") != 0)
			fail_msg("%s %s: answered '%s', exported '%s'", name, types[t], answer,
				wanted ? wanted : "nothing");
	}
}

/* A name that may exist or not: exported whenever it has an answer. */
static void find(const char *owner)
{
	char name[1100];

	snprintf(name, sizeof name, "%s.%s", owner, ZONE);
	for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
		const char *answer = ask(asker, c.cluster, name, types[t]);

		if (strncmp(answer, "NOERROR", 7) == 0 && !owner_exported(owner))
			fail_msg("%s %s: answered '%s' and not exported", name, types[t], answer);
		if (strcmp(answer, "NXDOMAIN") == 0 && owner_exported(owner))
			fail_msg("%s is exported, and denied", name);
	}
}

static const char *const names[] = {"web", "db", "tcp", "a"};
static const char *const hosts[] = {"h0", "10-0-0-2", "tcp", "fd00--0"};
static const char *const addresses[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::", "fd00::1"};
static const char *const dashed[] = {"10-0-0-1", "10-0-0-2", "10-0-0-3", "fd00--0", "fd00--1"};
static const char *const port_texts[] = {
	"80:http:TCP", "53:dns:UDP", "53:dns:TCP", "9153::TCP", "81:http:TCP", "-1:odd:TCP"};
static const char *const port_names[] = {
	"_http._tcp", "_dns._udp", "_dns._tcp", "_odd._tcp", "_x._tcp", "_tcp"};

static unsigned below(unsigned n)
{
	return (unsigned)rand() % n;
}

/* Some of a list, divided by blanks. */
static const char *some(const char *const *list, unsigned count, char *out)
{
	size_t at = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		if (below(2))
			at += (size_t)sprintf(out + at, "%s ", list[i]);
	}
	return out;
}

static void change_slice(const char *ns, const char *of)
{
	char endpoints[400] = "", ports[200], name[32];
	size_t at = 0;

	snprintf(name, sizeof name, "%s-%u", of, below(3));
	for (unsigned i = below(6); i; i--) {
		at += (size_t)sprintf(endpoints + at, "%s", addresses[below(5)]);
		if (below(2))
			at += (size_t)sprintf(endpoints + at, "=%s", hosts[below(4)]);
		endpoints[at++] = ' ';
		endpoints[at] = '\0';
	}
	put(&c, make_slice_ports(ns, name, of, 3, endpoints, some(port_texts, 6, ports)));
}

static void change(void)
{
	const char *ns = below(2) ? "shop" : "svc", *name = names[below(4)];
	char ips[200], ports[200];

	switch (below(8)) {
	case 0:
		take(&c, KIND_SERVICE, ns, name, 5);
		break;
	case 1:
		put(&c, make_service(ns, name, 5, SERVICE_EXTERNAL_NAME, "x.example.org"));
		break;
	case 2:
		put(&c, make_service(ns, name, 5, SERVICE_HEADLESS, ""));
		break;
	case 3:
	case 4:
		some(addresses, 5, ips);
		put(&c, make_service_ports(ns, name, 5, SERVICE_CLUSTER_IP,
				ips[0] ? ips : "10.0.0.1", some(port_texts, 6, ports)));
		break;
	default:
		change_slice(ns, name);
		break;
	}
}

/* SOA first and last and nowhere else, no record twice, lines of an owner sorted
 * (as ask() has them). */
static void check_shape(void)
{
	assert_int_equal(strncmp(text.lines[0], "@ SOA ", 6), 0);
	assert_string_equal(text.lines[0], text.lines[text.count - 1]);
	free(text.lines[--text.count]);
	qsort(text.lines, text.count, sizeof(char *), line_order);
	for (size_t i = 1; i < text.count; i++) {
		if (strcmp(text.lines[i], text.lines[i - 1]) == 0)
			fail_msg("twice: %s", text.lines[i]);
	}
}

static void find_all(void)
{
	char name[200];

	for (unsigned s = 0; s < 8; s++) {
		const char *ns = s & 1 ? "shop" : "svc", *of = names[s / 2];

		snprintf(name, sizeof name, "%s.%s.svc", of, ns);
		find(name);
		for (unsigned i = 0; i < 4; i++) {
			snprintf(name, sizeof name, "%s.%s.%s.svc", hosts[i], of, ns);
			find(name);
		}
		for (unsigned i = 0; i < 5; i++) {
			snprintf(name, sizeof name, "%s.%s.%s.svc", dashed[i], of, ns);
			find(name);
		}
		for (unsigned i = 0; i < 6; i++) {
			snprintf(name, sizeof name, "%s.%s.%s.svc", port_names[i], of, ns);
			find(name);
		}
	}
}

static void test_random_clusters(void **state)
{
	(void)state;
	srand(1);
	complete_all(&c);
	for (unsigned round = 0; round < 300; round++) {
		char *last = NULL;

		for (unsigned i = 0; i < 6; i++)
			change();
		settle(&c);
		export(0, ZONE);
		check_shape();
		for (size_t i = 0; i < text.count; i++) {
			char *owner = strndup(text.lines[i], strcspn(text.lines[i], " "));

			if (!last || strcmp(owner, last) != 0)
				compare(owner);
			free(last);
			last = owner;
		}
		free(last);
		find_all();
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_all_kinds_of_names),
		CASE(test_hidden_names),
		CASE(test_not_complete),
		CASE(test_one_version),
		CASE(test_large),
		CASE(test_random_clusters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
