/* SPDX-License-Identifier: Apache-2.0 */
#include "query.h"

#include "bytes.h"
#include "type.h"

#define OPCODE_MASK 0x7800u
#define EDNS_DO     0x8000u
/* Real clients send one to three; more is somebody making us work. */
#define OPTIONS_MAX 32

/* Walk the labels: lengths, offsets, the canonical copy. False: a pointer or an
 * unknown label type (RFC 1035 section 4.1.4; the other two were never used), a
 * name over 255 bytes, or one that leaves the packet. */
static bool name_parse(struct bytes_in *in, struct query *out)
{
	uint8_t starts[NAME_MAX_LABELS];
	const uint8_t *name = in->at;
	size_t limit = bytes_left(in) < NAME_MAX_LEN ? bytes_left(in) : NAME_MAX_LEN;
	size_t at = 0;
	unsigned labels = 0;

	while (at < limit && name[at] != 0) {
		if (name[at] > NAME_MAX_LABEL)
			return false;
		starts[labels++] = (uint8_t)at;
		at += name[at] + 1u;
	}
	if (at >= limit)
		return false;
	out->asked = name;
	out->labels = (uint8_t)labels;
	out->name_len = (uint8_t)(at + 1);
	out->label_at[0] = (uint8_t)at;
	for (unsigned i = 0; i < labels; i++)
		out->label_at[labels - i] = starts[i];
	/* Length bytes are below 64 and no letter. */
	name_lower(out->name, name, at + 1);
	in->at += at + 1;
	return true;
}

void query_set_name(const uint8_t *name, uint8_t name_len, struct query *out)
{
	struct bytes_in in = bytes_in(name, name_len);

	name_parse(&in, out);
}

void query_make(const uint8_t *name, uint8_t name_len, uint16_t qtype,
	uint8_t asked[QUERY_ASKED_MAX], struct query *out)
{
	*out = (struct query){.qtype = qtype, .qclass = CLASS_IN, .has_question = true};
	memcpy(asked, name, name_len);
	bytes_set_u16(asked + name_len, qtype);
	bytes_set_u16(asked + name_len + 2, CLASS_IN);
	query_set_name(asked, name_len, out);
}

/* RFC 6891 section 6.1.2: a list of code, length, data that fills the rdata. We
 * use none of them, but a list that does not add up is a broken message. */
static bool options_check(const uint8_t *rdata, size_t len)
{
	struct bytes_in in = bytes_in(rdata, len);

	for (unsigned i = 0; bytes_left(&in) > 0; i++) {
		bytes_get_u16(&in);
		bytes_take(&in, bytes_get_u16(&in));
		if (in.bad || i == OPTIONS_MAX)
			return false;
	}
	return true;
}

/* Walk a name that may end in a pointer, which is not followed. */
static bool name_skip(struct bytes_in *in)
{
	const uint8_t *start = in->at;

	while (in->at - start < NAME_MAX_LEN) {
		const uint8_t label = bytes_get_u8(in);

		if (in->bad || (label > NAME_MAX_LABEL && label < 0xc0))
			return false;
		if (label == 0)
			return true;
		if (label >= 0xc0)
			return bytes_take(in, 1) != NULL;
		bytes_take(in, label);
	}
	return false;
}

/* A pointer to the question, or its name once more. */
static bool owner_is_asked(const uint8_t *owner, size_t len, const struct query *query)
{
	static const uint8_t asked[] = {0xc0, DNS_HEADER_LEN};
	uint8_t name[NAME_MAX_LEN];

	if (len == sizeof asked && memcmp(owner, asked, len) == 0)
		return true;
	if (len != query->name_len)
		return false;
	name_lower(name, owner, len);
	return memcmp(name, query->name, len) == 0;
}

/* RFC 1035 section 3.3.13: two names and five numbers, the first is the serial. */
static bool soa_parse(struct bytes_in *in, struct query *out)
{
	const uint8_t *owner = in->at, *rdata;
	uint16_t type, class, len;

	if (!name_skip(in) || !owner_is_asked(owner, (size_t)(in->at - owner), out))
		return false;
	type = bytes_get_u16(in);
	class = bytes_get_u16(in);
	bytes_get_u32(in);
	len = bytes_get_u16(in);
	rdata = in->at;
	if (type != TYPE_SOA || class != out->qclass || !name_skip(in) || !name_skip(in))
		return false;
	out->serial = bytes_get_u32(in);
	bytes_take(in, 16);
	out->has_serial = !in->bad && in->at - rdata == len;
	return out->has_serial;
}

/* The only additional record a question may have. */
static enum query_verdict opt_parse(struct bytes_in *in, struct query *out)
{
	uint8_t owner = bytes_get_u8(in);
	uint16_t type = bytes_get_u16(in);
	uint16_t size = bytes_get_u16(in);
	uint32_t ttl = bytes_get_u32(in);
	uint16_t len = bytes_get_u16(in);
	const uint8_t *rdata = bytes_take(in, len);

	if (!rdata || owner != 0 || type != TYPE_OPT)
		return QUERY_FORMERR;
	out->has_edns = true;
	out->edns_size = size;
	out->edns_do = ttl & EDNS_DO;
	if (ttl >> 16 & 0xff)
		return QUERY_BADVERS;
	return options_check(rdata, len) ? QUERY_OK : QUERY_FORMERR;
}

enum query_verdict query_parse(const uint8_t *packet, size_t len, struct query *out)
{
	struct bytes_in in = bytes_in(packet, len);
	uint16_t questions, answers, authorities, additionals;
	enum query_verdict verdict = QUERY_OK;

	if (len < DNS_HEADER_LEN || len > UINT16_MAX)
		return QUERY_DROP;
	out->id = bytes_get_u16(&in);
	out->flags = bytes_get_u16(&in);
	if (out->flags & DNS_FLAG_QR)
		return QUERY_DROP;
	out->size = (uint16_t)len;
	out->edns_size = 0;
	out->has_question = out->has_edns = out->edns_do = out->has_serial = false;
	if (out->flags & OPCODE_MASK)
		return QUERY_NOTIMP;
	questions = bytes_get_u16(&in);
	answers = bytes_get_u16(&in);
	authorities = bytes_get_u16(&in);
	additionals = bytes_get_u16(&in);
	if (questions != 1 || answers != 0 || authorities > 1 || additionals > 1)
		return QUERY_FORMERR;
	if (!name_parse(&in, out))
		return QUERY_FORMERR;
	out->qtype = bytes_get_u16(&in);
	out->qclass = bytes_get_u16(&in);
	if (in.bad)
		return QUERY_FORMERR;
	out->has_question = true;
	if (authorities && (out->qtype != TYPE_IXFR || !soa_parse(&in, out)))
		return QUERY_FORMERR;
	if (additionals)
		verdict = opt_parse(&in, out);
	if (verdict == QUERY_OK && bytes_left(&in) != 0)
		return QUERY_FORMERR;
	return verdict;
}
