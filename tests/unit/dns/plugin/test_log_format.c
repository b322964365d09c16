/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/log_format.h"

#include "question.h"

#include <errno.h>

static const struct corefile_token at = {.text = "", .file = "F", .line = 2, .col = 8};

static const char *render_at(const struct question *q, const char *text, uint64_t now_ns)
{
	static char out[8192];
	struct log_format *format;
	char err[COREFILE_ERROR_MAX];
	size_t len;

	if (log_format_new(text, &at, &format, err) < 0)
		fail_msg("%s", err);
	len = log_format_render(format, &q->txn, now_ns, out, sizeof out);
	assert_int_equal(len, strlen(out));
	log_format_free(format);
	return out;
}

static const char *render(const struct question *q, const char *text)
{
	return render_at(q, text, 0);
}

static const uint8_t address_rr[] = {0xc0, 12, 0, TYPE_A, 0, 1, 0, 0, 0, 30, 0, 4, 10, 96, 0, 1};

static void test_common(void **state)
{
	static struct question q;

	(void)state;
	question_init(&q, "Example.ORG", TYPE_A, 0, false, false);
	q.reply.flags |= DNS_FLAG_AA;
	assert_true(reply_put(&q.reply, REPLY_ANSWER, address_rr, sizeof address_rr));
	question_finish(&q, RCODE_NOERROR);
	q.txn.start_ns = 5000000000;
	assert_string_equal(render_at(&q, "{common}", 5037990251),
		"10.244.0.7:41812 - 29008 \"A IN example.org. udp 29 false 512\" NOERROR qr,aa,rd "
		"45 0.037990251s");
	assert_string_equal(render_at(&q, "{combined}", 5000000000),
		"10.244.0.7:41812 - 29008 \"A IN example.org. udp 29 false 512\" NOERROR qr,aa,rd "
		"45 0s \"0\"");
}

static void test_fields(void **state)
{
	static struct question q;

	(void)state;
	question_init(&q, ".", TYPE_HTTPS, 1400, true, false);
	question_peer6(&q);
	question_finish(&q, RCODE_NXDOMAIN);
	assert_string_equal(render(&q, "{name} {type} {rcode} {>do} {>bufsize} {size}"),
		". HTTPS NXDOMAIN true 1400 28");
	assert_string_equal(render(&q, "{remote}:{port} {local}"), "[2001:db8::7]:7 [2001:db8::7]");
	assert_string_equal(
		render(&q, "{>opcode} {class} {proto} {/kubernetes/service}"), "0 IN udp -");
	question_init(&q, "a", 65280, 600, false, true);
	question_finish(&q, RCODE_SERVFAIL);
	assert_string_equal(
		render(&q, "{type} {proto} {>bufsize} {rcode}"), "TYPE65280 tcp 65535 SERVFAIL");
}

static void test_flags(void **state)
{
	static struct question q;

	(void)state;
	question_init(&q, "a", TYPE_A, 0, false, false);
	question_finish(&q, RCODE_NOERROR);
	q.buf[2] = 0x87;
	q.buf[3] = 0xf0;
	assert_string_equal(render(&q, "{>rflags}"), "qr,aa,tc,rd,ra,z,ad,cd");
	q.buf[2] = q.buf[3] = 0;
	assert_string_equal(render(&q, "{>rflags}"), "-");
}

static void test_missing_values(void **state)
{
	static struct question q;

	(void)state;
	question_init(&q, "a", TYPE_A, 0, false, false);
	question_finish(&q, RCODE_NOERROR);
	q.txn.peer = q.txn.local = NULL;
	assert_string_equal(render_at(&q, "{remote} {port} {local} {duration}", 7), "- - - -");
}

static void test_durations(void **state)
{
	static struct question q;
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {{0, "0s"}, {1, "0.000000001s"}, {1500, "0.0000015s"}, {1000000000, "1s"},
		{12500000000, "12.5s"}};

	(void)state;
	question_init(&q, "a", TYPE_A, 0, false, false);
	question_finish(&q, RCODE_NOERROR);
	q.txn.start_ns = 100;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_string_equal(render_at(&q, "{duration}", 100 + rows[i].ns), rows[i].text);
	assert_string_equal(render_at(&q, "{duration}", 50), "0s");
}

static void test_braces_that_are_no_field(void **state)
{
	static struct question q;

	(void)state;
	question_init(&q, "a", TYPE_A, 0, false, false);
	question_finish(&q, RCODE_NOERROR);
	assert_string_equal(
		render(&q, "{\"name\":\"{name}\",\"x\":{}}"), "{\"name\":\"a.\",\"x\":{}}");
	assert_string_equal(render(&q, "{ name } {{name}} {name"), "{ name } {a.} {name");
	assert_string_equal(render(&q, "plain"), "plain");
	assert_string_equal(render(&q, ""), "");
}

static void test_names_and_text_are_escaped(void **state)
{
	static struct question q;

	(void)state;
	question_init(&q, "a\\010b\\\"\\255.x", TYPE_A, 0, false, false);
	question_finish(&q, RCODE_NOERROR);
	render(&q, "{name}");
	assert_string_equal(render(&q, "{name}"), "a\\010b\\034\\255.x.");
	assert_string_equal(render(&q, "one\ntwo\x1b"), "one\\x0atwo\\x1b");
}

static void test_long_line_is_cut(void **state)
{
	static struct question q;
	struct log_format *format;
	char out[20], err[COREFILE_ERROR_MAX];

	(void)state;
	question_init(&q, "abcdefghijklmnop.example.org", TYPE_A, 0, false, false);
	question_finish(&q, RCODE_NOERROR);
	assert_int_equal(log_format_new("{type} {name} {rcode}", &at, &format, err), 0);
	assert_int_equal(log_format_render(format, &q.txn, 0, out, sizeof out), 19);
	assert_string_equal(out, "A abcdefghijklmnop.");
	log_format_free(format);
}

static void refused(const char *text, const char *message)
{
	struct log_format *format = NULL;
	char err[COREFILE_ERROR_MAX];

	assert_int_equal(log_format_new(text, &at, &format, err), -EINVAL);
	assert_string_equal(err, message);
	assert_null(format);
}

static void test_unknown_fields_are_refused(void **state)
{
	(void)state;
	refused("{nam}", "F:2:8: log: the format has no field '{nam}'; did you mean '{name}'?");
	refused("x {rflags}",
		"F:2:8: log: the format has no field '{rflags}'; did you mean '{>rflags}'?");
	refused("{name} {whatever}", "F:2:8: log: the format has no field '{whatever}'");
	refused("{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}",
		"F:2:8: log: the format has no field "
		"'{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}'");
}

static void test_classes(void **state)
{
	static const uint8_t ns_rr[] = {0xc0, 12, 0, TYPE_NS, 0, 1, 0, 0, 0, 5, 0, 2, 0xc0, 12};
	static const uint8_t soa_rr[] = {1, 'a', 0, 0, TYPE_SOA, 0, 1, 0, 0, 0, 5, 0, 2, 0xc0, 12};
	static struct question q;

	(void)state;
	question_init(&q, "a", TYPE_A, 0, false, false);
	assert_true(reply_put(&q.reply, REPLY_ANSWER, address_rr, sizeof address_rr));
	question_finish(&q, RCODE_NOERROR);
	assert_int_equal(log_classify(&q.txn), LOG_SUCCESS);
	q.reply.rcode = RCODE_NXDOMAIN; /* a CNAME to a name that does not exist */
	assert_int_equal(log_classify(&q.txn), LOG_DENIAL);
	question_init(&q, "a", TYPE_A, 0, false, false);
	question_finish(&q, RCODE_NOERROR);
	assert_int_equal(log_classify(&q.txn), LOG_DENIAL);
	q.reply.full = true;
	assert_int_equal(log_classify(&q.txn), LOG_SUCCESS);
	question_init(&q, "a", TYPE_A, 0, false, false);
	assert_true(reply_put(&q.reply, REPLY_AUTHORITY, soa_rr, sizeof soa_rr));
	question_finish(&q, RCODE_NOERROR);
	assert_int_equal(log_classify(&q.txn), LOG_DENIAL);
	question_init(&q, "a", TYPE_A, 0, false, false);
	assert_true(reply_put(&q.reply, REPLY_AUTHORITY, ns_rr, sizeof ns_rr));
	question_finish(&q, RCODE_NOERROR);
	assert_int_equal(log_classify(&q.txn), LOG_SUCCESS);
	question_finish(&q, RCODE_SERVFAIL);
	assert_int_equal(log_classify(&q.txn), LOG_FAILURE);
	question_finish(&q, RCODE_REFUSED);
	assert_int_equal(log_classify(&q.txn), LOG_FAILURE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_common),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_missing_values),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_braces_that_are_no_field),
		cmocka_unit_test(test_names_and_text_are_escaped),
		cmocka_unit_test(test_long_line_is_cut),
		cmocka_unit_test(test_unknown_fields_are_refused),
		cmocka_unit_test(test_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
