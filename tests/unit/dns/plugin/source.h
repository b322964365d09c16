/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_PLUGIN_SOURCE_H
#define BINNACLE_TESTS_PLUGIN_SOURCE_H

/* A plugin with zones to transfer, made for tests: "one." and "two." of a few
 * records, and "held." that is withheld. Include cmocka first. */

#include "cache/zone_copy.h"
#include "dns/serve/plugin.h"
#include "dns/wire/bytes.h"
#include "dns/wire/type.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct source {
	struct name zones[3];
	atomic_uint serial;
	atomic_bool complete;
	atomic_bool hold; /* copying waits until it is false */
	int take_error, copy_error;
	size_t records; /* of a copy, beside the SOAs */
	atomic_uint takes, copies, releases;
	void (*changed)(void *user);
	void *user;
};

struct source_taken {
	struct source *source;
	uint32_t serial;
};

static inline void source_init(struct source *source)
{
	static const char *const texts[] = {"one", "two", "held"};

	memset(source, 0, sizeof *source);
	for (size_t i = 0; i < 3; i++)
		name_from_text(texts[i], strlen(texts[i]), &source->zones[i]);
	atomic_init(&source->serial, 100);
	atomic_init(&source->complete, true);
	source->records = 3;
}

static inline bool source_zone(void *instance, size_t i, struct transfer_zone *out)
{
	struct source *source = instance;

	if (i >= 3)
		return false;
	*out = (struct transfer_zone){&source->zones[i], i == 2};
	return true;
}

static inline bool source_serial(void *instance, uint32_t *out)
{
	struct source *source = instance;

	*out = source->serial;
	return source->complete;
}

/* Root names, five numbers. */
static inline void source_soa_rdata(uint32_t serial, uint8_t rdata[22])
{
	memset(rdata, 0, 22);
	bytes_set_u32(rdata + 2, serial);
}

static inline uint32_t source_soa(void *instance, const struct query *query, struct reply *reply)
{
	struct source *source = instance;
	const uint32_t serial = source->serial;
	uint8_t rdata[22];

	(void)query;
	source_soa_rdata(serial, rdata);
	reply->flags |= DNS_FLAG_AA;
	reply_put_rr(reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_SOA, 5, rdata, sizeof rdata);
	return serial;
}

static inline int source_take(void *instance, void **taken)
{
	struct source *source = instance;
	struct source_taken *out;

	source->takes++;
	if (source->take_error)
		return source->take_error;
	out = malloc(sizeof *out);
	*out = (struct source_taken){source, source->serial};
	*taken = out;
	return 0;
}

static inline int source_copy(
	void *taken, size_t zone, struct copy_account *account, struct zone_copy **out)
{
	const struct source_taken *from = taken;
	struct source *source = from->source;
	struct copy_writer writer;
	uint8_t rdata[22];

	while (source->hold)
		usleep(1000);
	source->copies++;
	if (source->copy_error)
		return source->copy_error;
	source_soa_rdata(from->serial, rdata);
	copy_begin(&writer, &source->zones[zone], from->serial, account);
	copy_record(&writer, TYPE_SOA, 5, rdata, sizeof rdata);
	for (size_t i = 0; i < source->records; i++) {
		const uint8_t address[4] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

		copy_owner(&writer, (const uint8_t *)"\1a", 2);
		copy_record(&writer, TYPE_A, 5, address, 4);
	}
	copy_owner(&writer, (const uint8_t *)"", 0);
	copy_record(&writer, TYPE_SOA, 5, rdata, sizeof rdata);
	return copy_end(&writer, out);
}

static inline void source_release(void *taken)
{
	struct source_taken *from = taken;

	from->source->releases++;
	free(from);
}

static inline void source_watch(void *instance, void (*changed)(void *user), void *user)
{
	struct source *source = instance;

	source->changed = changed;
	source->user = user;
}

static const struct transfer_source source_transfer = {
	.zone = source_zone,
	.serial = source_serial,
	.soa = source_soa,
	.take = source_take,
	.copy = source_copy,
	.release = source_release,
	.watch = source_watch,
};

#endif
