/* SPDX-License-Identifier: Apache-2.0 */
#include "reply.h"

#include "bytes.h"
#include "type.h"

#define OPT_LEN 11 /* root owner, type, class, TTL, no rdata */
#define EDE_LEN 6  /* an option of two bytes */

#define OPTION_EDE 15 /* RFC 8914 section 2 */

#define OPCODE_MASK 0x7800u
#define EDNS_DO     0x8000u

static uint16_t opt_len(const struct reply *reply)
{
	if (!reply->query->has_edns)
		return 0;
	return reply->ede ? OPT_LEN + EDE_LEN : OPT_LEN;
}

uint16_t reply_limit(const struct query *query, bool tcp)
{
	if (tcp)
		return UINT16_MAX;
	return query->edns_size > DNS_UDP_DEFAULT ? query->edns_size : DNS_UDP_DEFAULT;
}

void reply_begin(struct reply *reply, const struct query *query, uint8_t *buf, uint16_t limit)
{
	size_t question = query->name_len + 4u;

	reply->query = query;
	reply->buf = buf;
	/* The question's type and class follow its name in the packet. */
	memcpy(buf + DNS_HEADER_LEN, query->asked, question);
	reply->ede = 0;
	reply->body = reply->len = (uint16_t)(DNS_HEADER_LEN + question);
	reply->end = (uint16_t)(limit - opt_len(reply));
	reply->flags = (uint16_t)(DNS_FLAG_QR | (query->flags & (DNS_FLAG_RD | DNS_FLAG_CD)));
	reply->rcode = RCODE_NOERROR;
	reply->count[REPLY_ANSWER] = reply->count[REPLY_AUTHORITY] =
		reply->count[REPLY_ADDITIONAL] = 0;
	reply->full = false;
}

void reply_lower_limit(struct reply *reply, uint16_t size)
{
	const uint16_t end = (uint16_t)(size - opt_len(reply));

	if (end < reply->end)
		reply->end = end > reply->len ? end : reply->len;
}

void reply_explain(struct reply *reply, enum dns_ede code)
{
	if (!reply->query->has_edns || reply->ede || reply->end - reply->len < EDE_LEN)
		return;
	reply->ede = (uint16_t)code;
	reply->end = (uint16_t)(reply->end - EDE_LEN);
}

void reply_reset(struct reply *reply)
{
	reply->len = reply->body;
	reply->count[REPLY_ANSWER] = reply->count[REPLY_AUTHORITY] =
		reply->count[REPLY_ADDITIONAL] = 0;
	reply->full = false;
	reply->flags = (uint16_t)(reply->flags & ~DNS_FLAG_TC);
}

/* Nothing is put behind a record that was left out: what the client gets is a
 * beginning of the message, not a selection. */
static void reply_overflow(struct reply *reply, enum reply_section section)
{
	reply->full = true;
	if (section != REPLY_ADDITIONAL)
		reply->flags |= DNS_FLAG_TC;
}

uint8_t *reply_room(struct reply *reply, enum reply_section section, size_t len)
{
	uint8_t *at = reply->buf + reply->len;

	if (reply->full || len > (size_t)(reply->end - reply->len) ||
		reply->count[section] == UINT16_MAX) {
		reply_overflow(reply, section);
		return NULL;
	}
	reply->len = (uint16_t)(reply->len + len);
	reply->count[section]++;
	return at;
}

bool reply_put(struct reply *reply, enum reply_section section, const uint8_t *rr, size_t len)
{
	uint8_t *at = reply_room(reply, section, len);

	if (at)
		memcpy(at, rr, len);
	return at != NULL;
}

size_t reply_put_fixed(struct reply *reply, enum reply_section section, const uint8_t *rrs,
	size_t stride, size_t count, size_t first)
{
	size_t room = reply->full ? 0 : (size_t)(reply->end - reply->len) / stride;
	size_t fit = count < room ? count : room;
	size_t tail = count - first < fit ? count - first : fit;
	uint8_t *at = reply->buf + reply->len;

	if (fit > (size_t)(UINT16_MAX - reply->count[section]))
		fit = tail = 0;
	memcpy(at, rrs + first * stride, tail * stride);
	memcpy(at + tail * stride, rrs, (fit - tail) * stride);
	reply->len = (uint16_t)(reply->len + fit * stride);
	reply->count[section] = (uint16_t)(reply->count[section] + fit);
	if (fit < count)
		reply_overflow(reply, section);
	return fit;
}

bool reply_put_many(struct reply *reply, enum reply_section section, const uint8_t *rrs, size_t len,
	uint16_t count)
{
	if (reply->full || len > (size_t)(reply->end - reply->len) ||
		count > UINT16_MAX - reply->count[section]) {
		reply_overflow(reply, section);
		return false;
	}
	if (len)
		memcpy(reply->buf + reply->len, rrs, len);
	reply->len = (uint16_t)(reply->len + len);
	reply->count[section] = (uint16_t)(reply->count[section] + count);
	return true;
}

bool reply_put_rr(struct reply *reply, enum reply_section section, uint16_t owner_at, uint16_t type,
	uint32_t ttl_s, const uint8_t *rdata, uint16_t rdata_len)
{
	uint8_t *at = reply_room(reply, section, 12u + rdata_len);

	if (!at)
		return false;
	bytes_set_u16(at, (uint16_t)(0xc000u | owner_at));
	bytes_set_u16(at + 2, type);
	bytes_set_u16(at + 4, CLASS_IN);
	bytes_set_u32(at + 6, ttl_s);
	bytes_set_u16(at + 10, rdata_len);
	if (rdata_len)
		memcpy(at + 12, rdata, rdata_len);
	return true;
}

static void header_put(uint8_t *buf, uint16_t id, uint16_t flags, unsigned questions,
	const uint16_t count[3], bool opt)
{
	bytes_set_u16(buf, id);
	bytes_set_u16(buf + 2, flags);
	bytes_set_u16(buf + 4, (uint16_t)questions);
	bytes_set_u16(buf + 6, count[REPLY_ANSWER]);
	bytes_set_u16(buf + 8, count[REPLY_AUTHORITY]);
	bytes_set_u16(buf + 10, (uint16_t)(count[REPLY_ADDITIONAL] + (opt ? 1 : 0)));
}

/* RFC 6891 section 6.1.2 and 6.1.4: our size, version 0, DO as it came (RFC 3225
 * section 3), unknown flags clear, no options. */
static void opt_put(uint8_t *at, uint16_t rcode, bool edns_do)
{
	at[0] = 0;
	bytes_set_u16(at + 1, TYPE_OPT);
	bytes_set_u16(at + 3, DNS_UDP_OURS);
	at[5] = (uint8_t)(rcode >> 4);
	at[6] = 0;
	bytes_set_u16(at + 7, edns_do ? EDNS_DO : 0);
	bytes_set_u16(at + 9, 0);
}

/* The one option that an OPT of ours can have. */
static void ede_put(struct reply *reply)
{
	uint8_t *at = reply->buf + reply->len;

	bytes_set_u16(at - 2, EDE_LEN);
	bytes_set_u16(at, OPTION_EDE);
	bytes_set_u16(at + 2, EDE_LEN - 4);
	bytes_set_u16(at + 4, reply->ede);
	reply->len = (uint16_t)(reply->len + EDE_LEN);
}

size_t reply_end(struct reply *reply)
{
	const struct query *query = reply->query;

	header_put(reply->buf, query->id, (uint16_t)(reply->flags | (reply->rcode & 15u)), 1,
		reply->count, query->has_edns);
	if (query->has_edns) {
		opt_put(reply->buf + reply->len, reply->rcode, query->edns_do);
		reply->len = (uint16_t)(reply->len + OPT_LEN);
		if (reply->ede)
			ede_put(reply);
	}
	return reply->len;
}

size_t reply_error(const struct query *query, enum dns_rcode rcode, uint8_t *buf)
{
	static const uint16_t none[3];
	unsigned flags = DNS_FLAG_QR | (query->flags & (OPCODE_MASK | DNS_FLAG_RD | DNS_FLAG_CD));
	size_t len = DNS_HEADER_LEN;

	header_put(buf, query->id, (uint16_t)(flags | ((unsigned)rcode & 15u)),
		query->has_question ? 1 : 0, none, query->has_edns);
	if (query->has_question) {
		memcpy(buf + len, query->asked, query->name_len + 4u);
		len += query->name_len + 4u;
	}
	if (query->has_edns) {
		opt_put(buf + len, (uint16_t)rcode, query->edns_do);
		len += OPT_LEN;
	}
	return len;
}
