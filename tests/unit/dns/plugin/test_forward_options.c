/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/forward.h"
#include "site.h"

static char err[COREFILE_ERROR_MAX];

/* Read "forward LINE"; its Corefile. */
static struct corefile *read_line(const char *line, struct forward_options *options, int *rc)
{
	struct corefile *corefile;
	char text[4096];

	snprintf(text, sizeof text, ". {\nforward %s\n}\n", line);
	if (corefile_parse(text, strlen(text), "F", &corefile, err) < 0)
		fail_msg("%s", err);
	memset(options, 0, sizeof *options);
	*rc = forward_options_read(NULL, &corefile->blocks[0].lines[0], options, err);
	return corefile;
}

static void good(const char *line, struct forward_options *options)
{
	int rc;
	struct corefile *corefile = read_line(line, options, &rc);

	if (rc < 0)
		fail_msg("%s", err);
	corefile_free(corefile); /* nothing of it is needed afterwards */
}

/* The message begins so. */
static void bad(const char *line, const char *start)
{
	struct forward_options options;
	int rc;
	struct corefile *corefile = read_line(line, &options, &rc);

	assert_true(rc < 0);
	if (strncmp(err, start, strlen(start)) != 0)
		fail_msg("'%s' does not begin with '%s'", err, start);
	forward_options_free(&options);
	corefile_free(corefile);
}

static void is_target(
	const struct forward_target *target, const char *text, bool tls, const char *server_name)
{
	char got[UPSTREAM_TEXT_MAX];

	forward_target_text(target, got);
	assert_string_equal(got, text);
	assert_int_equal(target->tls, tls);
	assert_string_equal(target->server_name, server_name);
}

static void test_what_is_asked(void **state)
{
	struct forward_options options;

	(void)state;
	good(". 192.0.2.1 192.0.2.1:5300 2001:db8::1 [2001:db8::1]:5300 dns://192.0.2.2 "
	     "dns://[2001:db8::2]:54",
		&options);
	assert_int_equal(options.target_count, 6);
	is_target(&options.targets[0], "192.0.2.1:53", false, "");
	is_target(&options.targets[1], "192.0.2.1:5300", false, "");
	is_target(&options.targets[2], "[2001:db8::1]:53", false, "");
	is_target(&options.targets[3], "[2001:db8::1]:5300", false, "");
	is_target(&options.targets[4], "192.0.2.2:53", false, "");
	is_target(&options.targets[5], "[2001:db8::2]:54", false, "");
	forward_options_free(&options);
	good(". tls://192.0.2.1 tls://192.0.2.1:8853 tls://192.0.2.1%dns.test "
	     "tls://[2001:db8::1]%dns.test:8853 tls://2001:db8::1",
		&options);
	assert_int_equal(options.target_count, 5);
	is_target(&options.targets[0], "192.0.2.1:853", true, "");
	is_target(&options.targets[1], "192.0.2.1:8853", true, "");
	is_target(&options.targets[2], "192.0.2.1:853", true, "dns.test");
	is_target(&options.targets[3], "[2001:db8::1]:8853", true, "dns.test");
	is_target(&options.targets[4], "[2001:db8::1]:853", true, "");
	forward_options_free(&options);
	good("Corp.test /etc/resolv.conf 192.0.2.1 ./other.conf", &options);
	assert_int_equal(options.target_count, 1);
	assert_int_equal(options.file_count, 2);
	assert_string_equal(options.files[0], "/etc/resolv.conf");
	assert_string_equal(options.files[1], "./other.conf");
	assert_int_equal(options.from_count, 1);
	assert_memory_equal(options.from[0].wire, "\4corp\4test", 11);
	assert_string_equal(options.at.file, "F");
	assert_int_equal(options.at.line, 2);
	forward_options_free(&options);
}

static void test_what_cannot_be_asked(void **state)
{
	char many[1024] = ".";

	(void)state;
	bad("", "F:2:1: forward: write 'forward FROM TO...'");
	bad(".", "F:2:1: forward: write 'forward FROM TO...'");
	bad("a..b 192.0.2.1", "F:2:9: ");
	bad(". https://192.0.2.1/dns-query",
		"F:2:11: forward: 'https://192.0.2.1/dns-query' cannot be asked; write IP[:PORT]");
	bad(". grpc://192.0.2.1", "F:2:11: forward: 'grpc://192.0.2.1' cannot be asked");
	bad(". 192.0.2.1 dns://dns.test", "F:2:21: forward: 'dns://dns.test' cannot be asked");
	bad(". tls://dns.test", "F:2:11: forward: 'tls://dns.test' cannot be asked");
	bad(". tls://192.0.2.1%", "F:2:11: forward: 'tls://192.0.2.1%' cannot be asked");
	bad(". tls://%dns.test", "F:2:11: forward: 'tls://%dns.test' cannot be asked");
	bad(". tls://192.0.2.1:0", "F:2:11: forward: 'tls://192.0.2.1:0' cannot be asked");
	for (unsigned i = 0; i < 15; i++)
		sprintf(many + strlen(many), " 192.0.2.%u", i);
	{
		struct forward_options options;

		good(many, &options);
		assert_int_equal(options.target_count, FORWARD_UPSTREAMS_MAX);
		forward_options_free(&options);
	}
	strcat(many, " 192.0.2.15");
	bad(many, "F:2:166: forward: at most 15 upstreams; take some out");
}

static void test_defaults(void **state)
{
	struct forward_options options;

	(void)state;
	good(". 192.0.2.1", &options);
	assert_int_equal(options.policy, POLICY_QUICKEST);
	assert_int_equal(options.expire_ms, 10000);
	assert_int_equal(options.max_age_ms, 0);
	assert_int_equal(options.read_timeout_ms, 2000);
	assert_int_equal(options.max_idle, 0);
	assert_int_equal(options.max_fails, 2);
	assert_int_equal(options.check_ms, 500);
	assert_false(options.check_no_rec);
	assert_int_equal(options.check_name.len, 1);
	assert_int_equal(options.max_concurrent, 0);
	assert_int_equal(options.next_rcodes, 0);
	assert_int_equal(options.failover_rcodes, 0);
	assert_false(options.force_tcp || options.failfast || options.next_on_nodata);
	assert_int_equal(options.source_v4.sa.sa_family + options.source_v6.sa.sa_family, 0);
	assert_int_equal(options.except_count, 0);
	assert_null(options.tls_ca);
	forward_options_free(&options);
}

static void test_every_option(void **state)
{
	struct forward_options options;

	(void)state;
	good(". 192.0.2.1 {\nexcept a.test b.test\nexcept c.test\nforce_tcp\nprefer_udp\n"
	     "expire 20s\nmax_age 1m\nmax_idle_conns 3\nread_timeout 700ms\nmax_fails 0\n"
	     "max_connect_attempts 9\ntls /cert /key /ca\ntls_servername dns.test\n"
	     "policy round_robin\nhealth_check 2s no_rec domain Corp.test\nmax_concurrent 77\n"
	     "next NXDOMAIN servfail\nnext_on_nodata\nfailfast_all_unhealthy_upstreams\n"
	     "failover NOTAUTH REFUSED\nsource_address 192.0.2.9 2001:db8::9\n}",
		&options);
	assert_int_equal(options.except_count, 3);
	assert_true(options.force_tcp && options.failfast && options.next_on_nodata);
	assert_int_equal(options.expire_ms, 20000);
	assert_int_equal(options.max_age_ms, 60000);
	assert_int_equal(options.max_idle, 3);
	assert_int_equal(options.read_timeout_ms, 700);
	assert_int_equal(options.max_fails, 0);
	assert_string_equal(options.tls_cert, "/cert");
	assert_string_equal(options.tls_key, "/key");
	assert_string_equal(options.tls_ca, "/ca");
	assert_string_equal(options.tls_servername, "dns.test");
	assert_int_equal(options.policy, POLICY_ROUND_ROBIN);
	assert_int_equal(options.check_ms, 2000);
	assert_true(options.check_no_rec);
	assert_int_equal(options.check_name.len, 11);
	assert_int_equal(options.max_concurrent, 77);
	assert_int_equal(options.next_rcodes, 1u << RCODE_NXDOMAIN | 1u << RCODE_SERVFAIL);
	assert_int_equal(options.failover_rcodes, 1u << 9 | 1u << RCODE_REFUSED);
	assert_int_equal(options.source_v4.sa.sa_family, AF_INET);
	assert_int_equal(options.source_v6.sa.sa_family, AF_INET6);
	forward_options_free(&options);
	/* what stands there twice */
	good(". 192.0.2.1 {\ntls /a /b /c\ntls /ca\ntls\npolicy random\npolicy sequential\n}",
		&options);
	assert_string_equal(options.tls_ca, "/ca");
	assert_int_equal(options.policy, POLICY_SEQUENTIAL);
	forward_options_free(&options);
	good(". 192.0.2.1 {\npolicy random\n}", &options);
	assert_int_equal(options.policy, POLICY_RANDOM);
	forward_options_free(&options);
}

static void bad_option(const char *option, const char *message)
{
	char line[512], start[512];

	snprintf(line, sizeof line, ". 192.0.2.1 {\n%s\n}", option);
	snprintf(start, sizeof start, "F:3:%s", message);
	bad(line, start);
}

static void test_durations_and_numbers(void **state)
{
	static const char *const durations[] = {
		"expire", "max_age", "read_timeout", "health_check"};
	static const char *const numbers[] = {
		"max_idle_conns", "max_fails", "max_concurrent", "max_connect_attempts"};
	static const char *const no_durations[] = {"x", "5", "-1s", "1000h1000h", "2000h"};
	char option[64], message[128];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const unsigned col = (unsigned)strlen(durations[i]) + 2;

		for (unsigned k = 0; k < 5; k++) {
			snprintf(option, sizeof option, "%s %s", durations[i], no_durations[k]);
			snprintf(message, sizeof message,
				"%u: forward: '%s' is no duration for %s; write for example", col,
				no_durations[k], durations[i]);
			bad_option(option, message);
		}
		snprintf(option, sizeof option, "%s 1s 2s", durations[i]);
		bad_option(option, "");
		bad_option(durations[i], "1: ");
	}
	for (unsigned i = 0; i < 3; i++) {
		if (i == 1)
			continue; /* 0 is no age at all */
		snprintf(option, sizeof option, "%s 0s", durations[i]);
		snprintf(message, sizeof message, "%u: forward: '0s' is no duration",
			(unsigned)strlen(durations[i]) + 2);
		bad_option(option, message);
	}
	for (unsigned i = 0; i < 4; i++) {
		snprintf(option, sizeof option, "%s -1", numbers[i]);
		snprintf(message, sizeof message,
			"%u: forward: '-1' is no number for %s; write one that is not below 0",
			(unsigned)strlen(numbers[i]) + 2, numbers[i]);
		bad_option(option, message);
		bad_option(numbers[i], "1: ");
	}
	bad(". 192.0.2.1 {\nmax_age 5s\n}", "F:2:1: forward: max_age cannot be less than expire");
}

static void test_words(void **state)
{
	char option[400] = "tls_servername ";

	(void)state;
	bad_option(
		"policy fastest", "8: forward: 'fastest' is no policy; write random, round_robin");
	bad_option("health_check 1s rec", "17: forward: write 'health_check DURATION [no_rec]");
	bad_option("health_check 1s domain", "17: forward: write 'health_check DURATION [no_rec]");
	bad_option("health_check 1s domain a..b", "24: forward: 'a..b' is not a domain name");
	bad_option("next NXDOMAIM", "6: forward: 'NXDOMAIM' is no rcode; write for example");
	bad_option("failover", "1: ");
	bad_option("failover 3x", "10: forward: '3x' is no rcode");
	bad_option("source_address dns.test",
		"16: forward: 'dns.test' is no address to send from; write one of this host");
	bad_option("source_address 192.0.2.1 192.0.2.2 192.0.2.3", "1: ");
	bad_option("except a..b", "8: ");
	bad_option("except", "1: ");
	bad_option("force_tcp yes", "1: ");
	bad_option("tls a b c d", "1: ");
	bad_option("doh_method POST", "1: forward: Binnacle does not have 'doh_method': upstreams");
	bad_option("resolver 192.0.2.1", "1: forward: Binnacle does not have 'resolver'");
	bad_option("expiry 10s", "1: ");
	memset(option + 15, 'x', 300);
	bad_option(option, "16: forward: 'xxx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_asked),
		cmocka_unit_test(test_what_cannot_be_asked),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_option),
		cmocka_unit_test(test_durations_and_numbers),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
