/* SPDX-License-Identifier: Apache-2.0 */
#include "log_format.h"

#include "dns/observe/log.h"
#include "dns/wire/type.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The line so far. What does not fit is cut off. */
struct line {
	char *out;
	size_t len, cap;
};

static void line_put(struct line *line, const char *text, size_t len)
{
	size_t room = line->cap - line->len - 1;

	if (len > room)
		len = room;
	memcpy(line->out + line->len, text, len);
	line->len += len;
}

static void line_put_text(struct line *line, const char *text)
{
	line_put(line, text, strlen(text));
}

static void line_put_number(struct line *line, uint64_t number)
{
	char digits[24];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	line_put(line, digits + at, sizeof digits - at);
}

/* --- fields --- */

struct moment {
	const struct txn *txn;
	uint64_t now_ns;
};

static void put_address(struct line *line, const struct sockaddr *address)
{
	char text[INET6_ADDRSTRLEN + 2] = "-";

	if (address && address->sa_family == AF_INET) {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr,
			text, sizeof text);
	} else if (address && address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)address;

		text[0] = '[';
		inet_ntop(AF_INET6, &v6->sin6_addr, text + 1, sizeof text - 2);
		strcat(text, "]");
	}
	line_put_text(line, text);
}

static void put_remote(struct line *line, const struct moment *at)
{
	put_address(line, at->txn->peer);
}

static void put_local(struct line *line, const struct moment *at)
{
	put_address(line, at->txn->local);
}

static void put_port(struct line *line, const struct moment *at)
{
	const struct sockaddr *peer = at->txn->peer;

	if (peer && peer->sa_family == AF_INET)
		line_put_number(
			line, ntohs(((const struct sockaddr_in *)(const void *)peer)->sin_port));
	else if (peer && peer->sa_family == AF_INET6)
		line_put_number(
			line, ntohs(((const struct sockaddr_in6 *)(const void *)peer)->sin6_port));
	else
		line_put_text(line, "-");
}

static void put_type(struct line *line, const struct moment *at)
{
	char text[TYPE_TEXT_MAX];

	line_put_text(line, type_to_text(at->txn->query->qtype, text));
}

static void put_class(struct line *line, const struct moment *at)
{
	char text[TYPE_TEXT_MAX];

	line_put_text(line, class_to_text(at->txn->query->qclass, text));
}

static void put_name(struct line *line, const struct moment *at)
{
	char text[NAME_TEXT_MAX];

	line_put(line, text, name_to_text(at->txn->query->name, text, sizeof text));
}

static void put_proto(struct line *line, const struct moment *at)
{
	line_put_text(line, at->txn->tcp ? "tcp" : "udp");
}

static void put_size(struct line *line, const struct moment *at)
{
	line_put_number(line, at->txn->query->size);
}

static void put_do(struct line *line, const struct moment *at)
{
	line_put_text(line, at->txn->query->edns_do ? "true" : "false");
}

static void put_bufsize(struct line *line, const struct moment *at)
{
	line_put_number(line, reply_limit(at->txn->query, at->txn->tcp));
}

static void put_id(struct line *line, const struct moment *at)
{
	line_put_number(line, at->txn->query->id);
}

static void put_opcode(struct line *line, const struct moment *at)
{
	line_put_number(line, at->txn->query->flags >> 11 & 0xfu);
}

/* From the reply as it was sent (RFC 1035 section 4.1.1, RFC 4035 section 3). */
static void put_rflags(struct line *line, const struct moment *at)
{
	static const struct {
		unsigned bit;
		const char *name;
	} flags[] = {{DNS_FLAG_QR, "qr"}, {DNS_FLAG_AA, "aa"}, {DNS_FLAG_TC, "tc"},
		{DNS_FLAG_RD, "rd"}, {DNS_FLAG_RA, "ra"}, {0x0040u, "z"}, {DNS_FLAG_AD, "ad"},
		{DNS_FLAG_CD, "cd"}};
	const uint8_t *header = at->txn->reply->buf;
	unsigned word = (unsigned)header[2] << 8 | header[3];
	bool any = false;

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		if (!(word & flags[i].bit))
			continue;
		if (any)
			line_put_text(line, ",");
		line_put_text(line, flags[i].name);
		any = true;
	}
	if (!any)
		line_put_text(line, "-");
}

static void put_rcode(struct line *line, const struct moment *at)
{
	char text[TYPE_TEXT_MAX];

	line_put_text(line, rcode_to_text(at->txn->reply->rcode, text));
}

static void put_rsize(struct line *line, const struct moment *at)
{
	line_put_number(line, at->txn->reply_len);
}

/* Seconds in the shortest decimal form: "0.000021s", "0s". */
static void put_duration(struct line *line, const struct moment *at)
{
	uint64_t start_ns = at->txn->start_ns;
	uint64_t ns = at->now_ns > start_ns ? at->now_ns - start_ns : 0;
	char fraction[] = "000000000";
	size_t digits = sizeof fraction - 1;

	if (start_ns == 0) {
		line_put_text(line, "-");
		return;
	}
	line_put_number(line, ns / 1000000000u);
	for (uint64_t rest = ns % 1000000000u, i = digits; i-- > 0; rest /= 10)
		fraction[i] = (char)('0' + rest % 10);
	while (digits && fraction[digits - 1] == '0')
		digits--;
	if (digits) {
		line_put_text(line, ".");
		line_put(line, fraction, digits);
	}
	line_put_text(line, "s");
}

/* What `metadata` would fill in: there is no such plugin yet. */
static void put_missing(struct line *line, const struct moment *at)
{
	(void)at;
	line_put_text(line, "-");
}

typedef void put_function(struct line *line, const struct moment *at);

static const struct {
	const char *name;
	put_function *put;
} fields[] = {
	{"type", put_type},
	{"name", put_name},
	{"class", put_class},
	{"proto", put_proto},
	{"remote", put_remote},
	{"port", put_port},
	{"local", put_local},
	{"size", put_size},
	{">do", put_do},
	{">bufsize", put_bufsize},
	{">id", put_id},
	{">opcode", put_opcode},
	{">rflags", put_rflags},
	{"rcode", put_rcode},
	{"rsize", put_rsize},
	{"duration", put_duration},
};
#define FIELD_COUNT (sizeof fields / sizeof *fields)

/* --- compiling --- */

struct op {
	put_function *put; /* NULL: the text */
	char *text;        /* escaped */
	size_t len;
};

struct log_format {
	struct op *ops;
	size_t count;
};

static struct op *op_add(struct log_format *format)
{
	struct op *grown = reallocarray(format->ops, format->count + 1, sizeof *grown);

	if (!grown)
		return NULL;
	format->ops = grown;
	grown[format->count] = (struct op){0};
	return &grown[format->count++];
}

static int add_text(struct log_format *format, const char *text, size_t len)
{
	struct op *op;

	if (len == 0)
		return 0;
	op = op_add(format);
	if (!op)
		return -ENOMEM;
	op->text = malloc(4 * len + 1);
	if (!op->text)
		return -ENOMEM;
	op->len = log_escape(text, len, op->text, 4 * len + 1);
	return 0;
}

static int add_field(struct log_format *format, put_function *put)
{
	struct op *op = op_add(format);

	if (!op)
		return -ENOMEM;
	op->put = put;
	return 0;
}

/* The length of "{word}" at text, where word may begin with '>' or '/'; else 0. */
static size_t field_length(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_/";
	size_t len = 1;

	if (text[len] == '>')
		len++;
	if (!strspn(text + len, letters))
		return 0;
	len += strspn(text + len, letters);
	return text[len] == '}' ? len + 1 : 0;
}

static int field_refuse(const char *word, const struct corefile_token *at, char *err)
{
	const char *known[FIELD_COUNT + 3] = {"common", "combined"};
	const char *nearest;

	for (size_t i = 0; i < FIELD_COUNT; i++)
		known[i + 2] = fields[i].name;
	nearest = corefile_nearest(word, known);
	if (nearest)
		return corefile_error(err, at,
			"log: the format has no field '{%s}'; did you mean '{%s}'?", word, nearest);
	return corefile_error(err, at, "log: the format has no field '{%s}'", word);
}

static int compile(
	struct log_format *format, const char *text, const struct corefile_token *at, char *err);

static int compile_field(struct log_format *format, const char *text, size_t len,
	const struct corefile_token *at, char *err)
{
	char word[64];

	if (len - 2 >= sizeof word)
		return corefile_error(
			err, at, "log: the format has no field '%.*s'", (int)len, text);
	memcpy(word, text + 1, len - 2);
	word[len - 2] = 0;
	if (strcmp(word, "common") == 0)
		return compile(format, LOG_FORMAT_COMMON, at, err);
	if (strcmp(word, "combined") == 0)
		return compile(format, LOG_FORMAT_COMBINED, at, err);
	if (word[0] == '/')
		return add_field(format, put_missing);
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (strcmp(fields[i].name, word) == 0)
			return add_field(format, fields[i].put);
	}
	return field_refuse(word, at, err);
}

static int compile(
	struct log_format *format, const char *text, const struct corefile_token *at, char *err)
{
	const char *plain = text;
	int rc = 0;

	while (*text && rc == 0) {
		size_t len = *text == '{' ? field_length(text) : 0;

		if (len == 0) {
			text++;
			continue;
		}
		rc = add_text(format, plain, (size_t)(text - plain));
		if (rc == 0)
			rc = compile_field(format, text, len, at, err);
		text += len;
		plain = text;
	}
	return rc < 0 ? rc : add_text(format, plain, (size_t)(text - plain));
}

int log_format_new(const char *text, const struct corefile_token *at, struct log_format **out,
	char err[COREFILE_ERROR_MAX])
{
	struct log_format *format = calloc(1, sizeof *format);
	int rc = format ? compile(format, text, at, err) : -ENOMEM;

	if (rc == -ENOMEM)
		corefile_error(err, at, "out of memory");
	if (rc < 0) {
		log_format_free(format);
		return rc;
	}
	*out = format;
	return 0;
}

void log_format_free(struct log_format *format)
{
	if (!format)
		return;
	for (size_t i = 0; i < format->count; i++)
		free(format->ops[i].text);
	free(format->ops);
	free(format);
}

size_t log_format_render(const struct log_format *format, const struct txn *txn, uint64_t now_ns,
	char *out, size_t cap)
{
	struct line line = {out, 0, cap};
	struct moment at = {txn, now_ns};

	for (size_t i = 0; i < format->count; i++) {
		const struct op *op = &format->ops[i];

		if (op->put)
			op->put(&line, &at);
		else
			line_put(&line, op->text, op->len);
	}
	out[line.len] = 0;
	return line.len;
}

/* --- class --- */

/* The type of the first RR behind the question; 0: there is none. */
static unsigned first_type(const struct reply *reply, size_t reply_len)
{
	size_t at = reply->body;

	while (at < reply_len && reply->buf[at] != 0 && reply->buf[at] < 0xc0)
		at += reply->buf[at] + 1u;
	if (at < reply_len)
		at += reply->buf[at] ? 2 : 1;
	return at + 2 <= reply_len ? (unsigned)reply->buf[at] << 8 | reply->buf[at + 1] : 0;
}

enum log_class log_classify(const struct txn *txn)
{
	const struct reply *reply = txn->reply;

	if (reply->rcode == RCODE_NXDOMAIN)
		return LOG_DENIAL;
	if (reply->rcode != RCODE_NOERROR)
		return LOG_FAILURE;
	if (reply->count[REPLY_ANSWER] || reply->full)
		return LOG_SUCCESS;
	/* No answer and NS records in Authority is a referral (RFC 2308 section 2.2). */
	if (reply->count[REPLY_AUTHORITY] && first_type(reply, txn->reply_len) == TYPE_NS)
		return LOG_SUCCESS;
	return LOG_DENIAL;
}
