/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_PLUGIN_HOSTS_ANSWER_H
#define BINNACLE_TESTS_PLUGIN_HOSTS_ANSWER_H

/* A question to an instance of `hosts`. */

#include "dns/plugin/hosts.h"
#include "dns/plugin/list.h"
#include "hosts.h"

/* "next", "SERVFAIL", or "AA " and the records. */
static inline const char *hosts_answer(void *instance, const char *name, uint16_t type)
{
	static char text[4200];
	static struct question q;
	struct hosts *hosts = instance;

	question_init(&q, name, type, 0, false, false);
	if (plugin_hosts.query(instance, &q.txn) == PLUGIN_NEXT) {
		assert_int_equal(q.reply.rcode | q.reply.count[REPLY_ANSWER], 0);
		return "next";
	}
	if (q.reply.rcode)
		return rcode_to_text(q.reply.rcode, text);
	snprintf(text, sizeof text, "%s%s", q.reply.flags & DNS_FLAG_AA ? "AA " : "",
		hosts_records(&q.reply, hosts->options.ttl_s));
	return text;
}

#endif
