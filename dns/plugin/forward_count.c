/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of `forward`, by upstream. Several have two names: CoreDNS renamed them, and
 * dashboards and alerts ask for the old ones as well. */

#include "forward.h"

#include "dns/observe/metric.h"

#include <errno.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const rcodes[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",
	"REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", "other"};
static const char *const protos[] = {"udp", "tcp"};
static const struct metric_axis rcode_axis = {rcodes, COUNT(rcodes)};
static const struct metric_axis proto_axis = {protos, COUNT(protos)};

static const enum metric_id of_forward[COUNT_FORWARD] = {
	[COUNT_BROKEN] = METRIC_FORWARD_HEALTHCHECK_BROKEN,
	[COUNT_REJECTED] = METRIC_FORWARD_MAX_CONCURRENT_REJECTS,
	[COUNT_HEDGES] = METRIC_FORWARD_HEDGES,
	[COUNT_JOINED] = METRIC_FORWARD_JOINED,
	[COUNT_WRONG] = METRIC_FORWARD_WRONG_REPLIES,
};

int forward_count_setup(struct forward *forward)
{
	int rc = 0;

	for (unsigned i = 0; i < COUNT_FORWARD && forward->metrics && rc == 0; i++)
		rc = metrics_add(
			forward->metrics, of_forward[i], NULL, NULL, 0, &forward->slots[i]);
	return rc;
}

int upstream_count_setup(struct upstream *upstream)
{
	struct metrics *metrics = upstream->line->forward->metrics;
	struct upstream_slots *slots = &upstream->slots;
	const char *const proxy[] = {"forward", upstream->text};
	const char *const old[] = {upstream->text};
	const struct {
		enum metric_id id;
		const char *const *labels;
		const struct metric_axis *axis;
		uint32_t *slot;
	} series[] = {
		{METRIC_PROXY_REQUEST_DURATION, proxy, &rcode_axis, &slots->duration},
		{METRIC_PROXY_HEALTHCHECK_FAILURES, proxy, NULL, &slots->check_failures},
		{METRIC_PROXY_CONN_CACHE_HITS, proxy, &proto_axis, &slots->kept[0]},
		{METRIC_PROXY_CONN_CACHE_MISSES, proxy, &proto_axis, &slots->fresh[0]},
		{METRIC_FORWARD_REQUESTS, old, NULL, &slots->requests},
		{METRIC_FORWARD_RESPONSES, old, &rcode_axis, &slots->responses},
		{METRIC_FORWARD_REQUEST_DURATION, old, &rcode_axis, &slots->responses_duration},
		{METRIC_FORWARD_HEALTHCHECK_FAILURES, old, NULL, &slots->old_check_failures},
		{METRIC_LOOPS, old, NULL, &slots->loops},
	};
	int rc = 0;

	if (!metrics)
		return 0;
	for (size_t i = 0; i < COUNT(series) && rc == 0; i++)
		rc = metrics_add(metrics, series[i].id, series[i].labels, series[i].axis,
			series[i].axis ? 1 : 0, series[i].slot);
	slots->kept[1] = slots->kept[0] + 1;
	slots->fresh[1] = slots->fresh[0] + 1;
	slots->counted = rc == 0;
	return rc;
}

static _Atomic uint64_t *counters_of(const struct upstream *upstream)
{
	return upstream->slots.counted ? upstream->line->forward->counters : NULL;
}

void count_reply(struct upstream *upstream, unsigned rcode, uint64_t ns)
{
	const uint32_t at = rcode < COUNT(rcodes) - 1 ? rcode : (uint32_t)COUNT(rcodes) - 1;
	_Atomic uint64_t *counters = counters_of(upstream);
	const struct upstream_slots *slots = &upstream->slots;

	if (!counters)
		return;
	metric_observe(counters, METRIC_PROXY_REQUEST_DURATION,
		slots->duration + at * metric_width(METRIC_PROXY_REQUEST_DURATION), ns);
	metric_observe(counters, METRIC_FORWARD_REQUEST_DURATION,
		slots->responses_duration + at * metric_width(METRIC_FORWARD_REQUEST_DURATION), ns);
	metric_count(counters, slots->responses + at, 1);
}

void count_asked(struct upstream *upstream, bool streamed, bool kept)
{
	_Atomic uint64_t *counters = counters_of(upstream);

	if (!counters)
		return;
	metric_count(counters, upstream->slots.requests, 1);
	metric_count(counters,
		kept ? upstream->slots.kept[streamed] : upstream->slots.fresh[streamed], 1);
}

void count_probe_failed(struct upstream *upstream)
{
	_Atomic uint64_t *counters = counters_of(upstream);

	if (!counters)
		return;
	metric_count(counters, upstream->slots.check_failures, 1);
	metric_count(counters, upstream->slots.old_check_failures, 1);
}

void count_loop(struct upstream *upstream)
{
	_Atomic uint64_t *counters = counters_of(upstream);

	if (counters)
		metric_count(counters, upstream->slots.loops, 1);
}

void count_forward(struct forward *forward, enum forward_count which)
{
	if (forward->counters)
		metric_count(forward->counters, forward->slots[which], 1);
}

void count_wrong(struct forward *forward)
{
	const uint64_t more = forward->io.wrong - forward->wrong_counted;

	if (forward->counters && more)
		metric_count(forward->counters, forward->slots[COUNT_WRONG], more);
	forward->wrong_counted = forward->io.wrong;
}
