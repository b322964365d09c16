/* SPDX-License-Identifier: Apache-2.0 */
/* From hostile bytes to a forwarded_answer:
 *
 *	question and rcode checked -> every record noted -> from the question's name along the
 *	aliases to the type -> the SOA or the proofs -> packed behind our own question
 *
 * Owners are hashed once, so that following 16 aliases through thousands of records costs
 * little; a record is taken only after its owner was compared. */

#include "forwarded_answer.h"

#include <stdlib.h>
#include <string.h>

#include "dns/wire/pack.h"
#include "dns/wire/type.h"

#define RECORD_MIN   11 /* root owner, no rdata */
#define RRSIG_SIGNER 18 /* where the signer's name begins, RFC 4034 section 3.1 */
#define RCODE_SHIFT  4  /* the OPT's eight bits lie above the header's four */

struct note {
	struct record record;
	uint64_t hash; /* of the owner, canonical */
	uint8_t owner_len;
	bool kept;
};

struct owner {
	uint64_t hash;
	uint8_t len;
	uint8_t wire[NAME_MAX_LEN]; /* canonical */
};

struct reading {
	const struct message *message;
	const struct forwarded_question *question;
	struct owner chain[FORWARDED_LINKS_MAX + 1]; /* the question's name, the targets */
	unsigned links;
	/* Zones that proofs may come from: a signer for each name of the chain, the SOA's. */
	struct owner zones[FORWARDED_LINKS_MAX + 2];
	unsigned zone_count;
	uint16_t rcode;
	bool complete;      /* the type was found */
	bool soa, root_soa; /* there is one; the root's */
	bool bad;
	struct query query;
	struct reply reply;
	struct pack pack;
	uint8_t asked[QUERY_ASKED_MAX];
	uint8_t buf[UINT16_MAX];
	size_t count;
	struct note notes[];
};

/* ---- names ---- */

/* The hash only saves comparisons; what an upstream does to it costs time, within the
 * bounds of one message. */
static const uint8_t hash_key[16];

static bool owner_read(const struct message *message, size_t at, struct owner *out)
{
	if (!message_name(message, at, out->wire, &out->len))
		return false;
	name_lower(out->wire, out->wire, out->len);
	out->hash = name_hash(out->wire, out->len, hash_key);
	return true;
}

static bool owner_same(const struct owner *a, const struct owner *b)
{
	return a->hash == b->hash && a->len == b->len && memcmp(a->wire, b->wire, a->len) == 0;
}

/* zone is the name or above it. */
static bool owner_below(const struct owner *name, const struct owner *zone)
{
	size_t at = 0;

	while (name->len - at > zone->len)
		at += 1u + name->wire[at];
	return name->len - at == zone->len && memcmp(name->wire + at, zone->wire, zone->len) == 0;
}

static bool note_is_of(const struct reading *r, const struct note *note, const struct owner *name)
{
	struct owner owner;

	return note->hash == name->hash && note->owner_len == name->len &&
	       owner_read(r->message, note->record.owner, &owner) && owner_same(&owner, name);
}

static bool note_is_in(const struct note *note, enum reply_section section, uint16_t type)
{
	return note->record.section == section && note->record.type == type;
}

/* An RRSIG over this type. */
static bool note_covers(const struct reading *r, const struct note *note, uint16_t type)
{
	const uint8_t *rdata = r->message->data + note->record.rdata;

	return note->record.type == TYPE_RRSIG && note->record.rdata_len > RRSIG_SIGNER &&
	       (rdata[0] << 8 | rdata[1]) == type;
}

/* ---- keeping ---- */

/* Addresses are as long as they must be; what has names in it, pack.h looks at. */
static bool record_sound(const struct record *record)
{
	if (record->type == TYPE_A)
		return record->rdata_len == 4;
	return record->type != TYPE_AAAA || record->rdata_len == 16;
}

static void keep(struct reading *r, struct note *note)
{
	if (note->kept)
		return;
	note->kept = true;
	if (!record_sound(&note->record) ||
		pack_record(&r->pack, r->message, &note->record, note->record.section,
			note->record.ttl_s) != PACK_DONE)
		r->bad = true;
}

static void zone_add(struct reading *r, const struct owner *zone)
{
	if (r->zone_count < sizeof r->zones / sizeof *r->zones)
		r->zones[r->zone_count++] = *zone;
}

/* Signatures over the name's records of a type. */
static void keep_signatures(
	struct reading *r, const struct owner *name, enum reply_section section, uint16_t type)
{
	const struct owner *last = r->zone_count ? &r->zones[r->zone_count - 1] : NULL;
	struct owner signer;

	if (!r->question->dnssec_ok)
		return;
	for (size_t i = 0; i < r->count && !r->bad; i++) {
		struct note *note = &r->notes[i];

		if (note->record.section != section || !note_covers(r, note, type) ||
			!note_is_of(r, note, name))
			continue;
		keep(r, note);
		if (owner_read(r->message, note->record.rdata + RRSIG_SIGNER, &signer) &&
			owner_below(name, &signer) && !(last && owner_same(last, &signer))) {
			zone_add(r, &signer);
			last = &signer;
		}
	}
}

/* The whole RRset of a name in Answer; whether there is one. ANY: every one of them. */
static bool keep_set(struct reading *r, const struct owner *name, uint16_t type)
{
	bool found = false;

	for (size_t i = 0; i < r->count && !r->bad; i++) {
		struct note *note = &r->notes[i];

		if (note->record.section != REPLY_ANSWER ||
			(note->record.type != type && type != TYPE_ANY) ||
			!note_is_of(r, note, name))
			continue;
		keep(r, note);
		found = true;
	}
	if (found)
		keep_signatures(r, name, REPLY_ANSWER, type);
	return found;
}

/* ---- aliases ---- */

/* Whether the name becomes the target when what is below the DNAME's owner is put in front of
 * the DNAME's target (RFC 6672 section 2.2). */
static bool dname_leads(const struct reading *r, const struct note *note, const struct owner *name,
	const struct owner *target)
{
	const size_t prefix = (size_t)name->len - note->owner_len;
	struct owner to;

	return owner_read(r->message, note->record.rdata, &to) && prefix + to.len == target->len &&
	       memcmp(target->wire, name->wire, prefix) == 0 &&
	       memcmp(target->wire + prefix, to.wire, to.len) == 0;
}

/* The DNAME, above the name, that its CNAME follows from. */
static void keep_dname(struct reading *r, const struct owner *name, const struct owner *target)
{
	struct owner owner;

	for (size_t i = 0; i < r->count; i++) {
		struct note *note = &r->notes[i];

		if (!note_is_in(note, REPLY_ANSWER, TYPE_DNAME) || note->owner_len >= name->len)
			continue;
		if (note->hash != name_hash(name->wire + name->len - note->owner_len,
					  note->owner_len, hash_key) ||
			!owner_read(r->message, note->record.owner, &owner) ||
			!owner_below(name, &owner) || !dname_leads(r, note, name, target))
			continue;
		keep(r, note);
		keep_signatures(r, &owner, REPLY_ANSWER, TYPE_DNAME);
		return;
	}
}

/* The one CNAME of a name; NULL: none. Two are bad (RFC 2181 section 10.1). */
static const struct note *alias_find(struct reading *r, const struct owner *name)
{
	const struct note *found = NULL;

	for (size_t i = 0; i < r->count; i++) {
		const struct note *note = &r->notes[i];

		if (!note_is_in(note, REPLY_ANSWER, TYPE_CNAME) || !note_is_of(r, note, name))
			continue;
		if (found)
			r->bad = true;
		found = note;
	}
	return found;
}

/* The alias of the last name of the chain is kept, with the DNAME that it follows from; false:
 * it has none, or the reading is bad. */
static bool alias_keep(struct reading *r, struct owner *target)
{
	const struct owner *name = &r->chain[r->links];
	const struct note *alias = alias_find(r, name);

	if (!alias || r->bad)
		return false;
	if (!owner_read(r->message, alias->record.rdata, target)) {
		r->bad = true;
		return false;
	}
	keep_dname(r, name, target);
	keep_set(r, name, TYPE_CNAME);
	return !r->bad;
}

/* One link on from the last name of the chain; false: it has none, or the reading is bad. */
static bool follow(struct reading *r)
{
	struct owner target;

	if (!alias_keep(r, &target))
		return false;
	r->bad = r->links == FORWARDED_LINKS_MAX;
	for (unsigned i = 0; i <= r->links; i++)
		r->bad = r->bad || owner_same(&r->chain[i], &target);
	if (r->bad)
		return false;
	r->chain[++r->links] = target;
	return true;
}

static void read_answer(struct reading *r)
{
	const uint16_t type = r->question->type;
	struct owner target;

	if (type == TYPE_CNAME) {
		r->complete = alias_keep(r, &target);
		return;
	}
	do {
		r->complete = keep_set(r, &r->chain[r->links], type);
	} while (!r->complete && type != TYPE_ANY && follow(r));
}

/* ---- Authority ---- */

static void keep_soa(struct reading *r)
{
	const struct owner *last = &r->chain[r->links];
	struct owner owner;

	for (size_t i = 0; i < r->count; i++) {
		struct note *note = &r->notes[i];

		if (!note_is_in(note, REPLY_AUTHORITY, TYPE_SOA) ||
			!owner_read(r->message, note->record.owner, &owner) ||
			!owner_below(last, &owner))
			continue;
		keep(r, note);
		keep_signatures(r, &owner, REPLY_AUTHORITY, TYPE_SOA);
		zone_add(r, &owner);
		r->soa = true;
		r->root_soa = owner.len == 1;
		return;
	}
}

static bool zone_known(const struct reading *r, const struct note *note)
{
	struct owner owner;

	if (!owner_read(r->message, note->record.owner, &owner))
		return false;
	for (unsigned i = 0; i < r->zone_count; i++) {
		if (owner_below(&owner, &r->zones[i]))
			return true;
	}
	return false;
}

/* NSEC, NSEC3 and what signs them: of denials, and of wildcards (RFC 4035 section 3.1.3.3). */
static void keep_proofs(struct reading *r)
{
	for (size_t i = 0; i < r->count && !r->bad; i++) {
		struct note *note = &r->notes[i];

		if (note->record.section != REPLY_AUTHORITY)
			continue;
		if (note->record.type != TYPE_NSEC && note->record.type != TYPE_NSEC3 &&
			!note_covers(r, note, TYPE_NSEC) && !note_covers(r, note, TYPE_NSEC3))
			continue;
		if (zone_known(r, note))
			keep(r, note);
	}
}

static bool has_ns(const struct reading *r)
{
	for (size_t i = 0; i < r->count; i++) {
		if (note_is_in(&r->notes[i], REPLY_AUTHORITY, TYPE_NS))
			return true;
	}
	return false;
}

/* ---- the whole ---- */

/* The upper bits of the rcode; ttl_s of a struct record is not what came. */
static bool opt_read(struct reading *r, const struct record *record, bool *seen)
{
	if (*seen || record->section != REPLY_ADDITIONAL)
		return false; /* RFC 6891 section 6.1.1 */
	*seen = true;
	r->rcode |= (uint16_t)(r->message->data[record->rdata - 6] << RCODE_SHIFT);
	return true;
}

/* False: the message is cut, or has OPTs that it must not have. */
static bool note_all(struct reading *r)
{
	struct message_walk walk;
	struct record record;
	struct owner owner;
	bool opt = false;

	message_walk(r->message, &walk);
	while (message_next(&walk, &record)) {
		if (record.type == TYPE_OPT && !opt_read(r, &record, &opt))
			return false;
		if (record.class != CLASS_IN || record.section == REPLY_ADDITIONAL ||
			!owner_read(r->message, record.owner, &owner))
			continue;
		r->notes[r->count++] =
			(struct note){.record = record, .hash = owner.hash, .owner_len = owner.len};
	}
	return !walk.bad;
}

static bool question_same(const struct message *message, const struct forwarded_question *question)
{
	uint8_t name[NAME_MAX_LEN];

	if (message->name_len != question->name_len || message->qtype != question->type ||
		message->qclass != question->class || question->class != CLASS_IN)
		return false;
	name_lower(name, message->name, message->name_len);
	return memcmp(name, question->name, question->name_len) == 0;
}

static enum forwarded_verdict read_records(struct reading *r, struct forwarded_sense *sense)
{
	read_answer(r);
	if (!r->complete)
		keep_soa(r);
	if (r->question->dnssec_ok)
		keep_proofs(r);
	if (r->bad || (r->rcode == RCODE_NXDOMAIN && r->complete))
		return FORWARDED_MALFORMED;
	*sense = (struct forwarded_sense){
		.kind = FORWARDED_NODATA,
		.aliases = r->links > 0,
		.complete = r->complete || r->soa,
		.by_root = r->root_soa,
		.flags = r->message->flags,
	};
	if (r->rcode == RCODE_NXDOMAIN)
		sense->kind = FORWARDED_NXDOMAIN;
	else if (r->complete || (r->links && !r->soa))
		sense->kind = FORWARDED_POSITIVE;
	else if (!r->soa && has_ns(r))
		return FORWARDED_LAME;
	return FORWARDED_USABLE;
}

static void reading_begin(
	struct reading *r, const struct message *message, const struct forwarded_question *question)
{
	struct owner *first = &r->chain[0];

	memset(r, 0, offsetof(struct reading, asked));
	r->count = 0;
	r->message = message;
	r->question = question;
	r->rcode = message->rcode;
	first->len = question->name_len;
	memcpy(first->wire, question->name, first->len);
	first->hash = name_hash(first->wire, first->len, hash_key);
	query_make(question->name, question->name_len, question->type, r->asked, &r->query);
	reply_begin(&r->reply, &r->query, r->buf, UINT16_MAX);
	pack_begin(&r->pack, &r->reply);
}

static enum forwarded_verdict reading_run(struct reading *r, struct forwarded_answer **out)
{
	struct forwarded_sense sense;
	struct forwarded_answer *answer;
	enum forwarded_verdict verdict;

	if (!note_all(r))
		return FORWARDED_MALFORMED;
	if (r->rcode != RCODE_NOERROR && r->rcode != RCODE_NXDOMAIN)
		return FORWARDED_REFUSED;
	verdict = read_records(r, &sense);
	if (verdict != FORWARDED_USABLE)
		return verdict;
	reply_end(&r->reply);
	answer = forwarded_answer_new(&r->reply, &sense);
	if (!answer)
		return FORWARDED_NO_MEMORY;
	*out = answer;
	return FORWARDED_USABLE;
}

enum forwarded_verdict forwarded_answer_read(const struct message *message,
	const struct forwarded_question *question, struct forwarded_answer **out)
{
	const size_t most = (message->len - message->body) / RECORD_MIN;
	enum forwarded_verdict verdict;
	struct reading *r;

	if (!question_same(message, question))
		return FORWARDED_MALFORMED;
	if (message->rcode != RCODE_NOERROR && message->rcode != RCODE_NXDOMAIN)
		return FORWARDED_REFUSED;
	if (message->flags & DNS_FLAG_TC)
		return FORWARDED_TRUNCATED;
	r = malloc(sizeof *r + most * sizeof(struct note));
	if (!r)
		return FORWARDED_NO_MEMORY;
	reading_begin(r, message, question);
	verdict = reading_run(r, out);
	free(r);
	return verdict;
}
