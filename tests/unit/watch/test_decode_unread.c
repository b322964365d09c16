/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as a cluster has them come out of the frames smaller, and are decoded to the same. */

#include "watch/decode_unread.h"

#include "watch/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define META(name, more)                                                                           \
	"\"metadata\":{\"name\":\"" name "\",\"generateName\":\"g-\",\"namespace\":\"shop\","      \
	"\"uid\":\"5d1c9b1e\",\"resourceVersion\":\"71\",\"generation\":3,"                        \
	"\"creationTimestamp\":\"2026-01-01T00:00:00Z\"," more                                     \
	"\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"name\":\"o\","         \
	"\"uid\":\"u\",\"controller\":true}],\"finalizers\":[\"a/b\"],"                            \
	"\"managedFields\":[{\"manager\":\"m\",\"fieldsV1\":{\"f:spec\":{\"f:ports\":{}}}}]}"
#define LABELS "\"labels\":{\"app\":\"web\",\"zone\":\"l\"},"
#define ENDPOINT(address, more)                                                                    \
	"{\"addresses\":[\"" address "\"],\"conditions\":{\"ready\":true,\"serving\":true,"        \
	"\"terminating\":false},\"hints\":{\"forZones\":[{\"name\":\"z\"}]},"                      \
	"\"deprecatedTopology\":{\"kubernetes.io/hostname\":\"n\"},"                               \
	"\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"shop\",\"name\":\"web-7d4b9\","           \
	"\"uid\":\"p\"},\"nodeName\":\"node-1\"" more "}"
#define SLICE(label, more)                                                                         \
	"{\"apiVersion\":\"v\",\"kind\":\"EndpointSlice\"," META("web-x",                          \
		"\"labels\":{\"" label "\":\"web\","                                               \
		"\"multicluster.kubernetes.io/source-cluster\":\"east\"},"                         \
		"\"annotations\":{\"endpoints.kubernetes.io/last-change-trigger-time\":"           \
		"\"2026-01-01T00:00:01Z\"},") ",\"addressType\":\"IPv4\",\"endpoints\":"           \
					      "[" ENDPOINT("10.1.0.1",                             \
						      ",\"zone\":\"z1\"") "," ENDPOINT("10.1.0.2", \
						      ",\"hostname\":\"h\"" more) "],\"ports\":[{" \
										  "\"name\":"      \
										  "\"http\","      \
										  "\"port\":80,"   \
										  "\"protocol\":"  \
										  "\"TCP\","       \
										  "\"appProtocol"  \
										  "\":\"http\"}]}"

static const struct {
	enum resource resource;
	const char *json;
	size_t at_most; /* bytes with all options; parsing more is what this is to save */
} objects[] = {
	{RESOURCE_NAMESPACES,
		"{\"apiVersion\":\"v1\",\"kind\":\"Namespace\"," META(
			"shop", LABELS) ",\"spec\":{\"finalizers\":[\"kubernetes\"]},\"status\":{"
					"\"phase\":\"Active\"}}",
		100},
	{RESOURCE_SERVICES,
		"{\"apiVersion\":\"v1\",\"kind\":\"Service\"," META("web",
			LABELS) ",\"spec\":{\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\","
				"\"port\":80,"
				"\"targetPort\":8080,\"nodePort\":30080}],\"selector\":{\"app\":"
				"\"web\"},"
				"\"clusterIP\":\"10.96.0.9\",\"clusterIPs\":[\"10.96.0.9\",\"fd00::"
				"9\"],"
				"\"externalIPs\":[\"192.0.2.7\"],\"type\":\"LoadBalancer\","
				"\"sessionAffinity\":\"None\",\"externalTrafficPolicy\":"
				"\"Cluster\","
				"\"ipFamilies\":[\"IPv4\",\"IPv6\"],\"ipFamilyPolicy\":"
				"\"PreferDualStack\","
				"\"allocateLoadBalancerNodePorts\":true,\"internalTrafficPolicy\":"
				"\"Cluster\"},"
				"\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.8\"},"
				"{\"hostname\":\"lb.example.net\"}]}}}",
		420},
	{RESOURCE_SERVICES,
		"{\"kind\":\"Service\"," META("ext", LABELS) ",\"spec\":{\"type\":\"ExternalName\","
							     "\"externalName\":\"db.example.net\"},"
							     "\"status\":{\"loadBalancer\":{}}}",
		220},
	{RESOURCE_SLICES, SLICE("kubernetes.io/service-name", ",\"zone\":\"z2\""), 900},
	{RESOURCE_SLICES_V1BETA1,
		SLICE("kubernetes.io/service-name",
			",\"topology\":{\"topology.kubernetes.io/zone\":\"z2\"}"),
		900},
	{RESOURCE_IMPORT_SLICES,
		SLICE("multicluster.kubernetes.io/service-name", ",\"zone\":\"z2\""), 900},
	{RESOURCE_ENDPOINTS,
		"{\"kind\":\"Endpoints\"," META(
			"web", LABELS) ",\"subsets\":[{\"addresses\":[{\"ip\":\"10.1.0.1\","
				       "\"hostname\":\"h\","
				       "\"nodeName\":\"n\",\"targetRef\":{\"name\":\"web-0\"}},{"
				       "\"ip\":\"10.1.0.2\","
				       "\"nodeName\":\"n\",\"targetRef\":{\"name\":\"web-1\"}}],"
				       "\"notReadyAddresses\":"
				       "[{\"ip\":\"10.1.0.3\",\"nodeName\":\"n\"}],\"ports\":[{"
				       "\"port\":80}]}]}",
		400},
	{RESOURCE_PODS,
		"{\"kind\":\"Pod\"," META("web-0",
			LABELS) ",\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}],"
				"\"nodeName\":\"n\"},"
				"\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":"
				"\"Ready\"}],"
				"\"hostIP\":\"192.0.2.1\",\"hostIPs\":[{\"ip\":\"192.0.2.1\"}],"
				"\"podIP\":\"10.1.0.1\",\"podIPs\":[{\"ip\":\"10.1.0.1\"},{\"ip\":"
				"\"fd00::1\"}],"
				"\"startTime\":\"2026-01-01T00:00:00Z\",\"containerStatuses\":[{"
				"\"name\":\"c\","
				"\"state\":{\"running\":{}}}],\"qosClass\":\"BestEffort\"}}",
		220},
	{RESOURCE_IMPORTS,
		"{\"kind\":\"ServiceImport\"," META(
			"web", LABELS) ",\"spec\":{\"type\":\"ClusterSetIP\",\"ips\":[\"10.97.0."
				       "1\"],\"ports\":[{\"name\":"
				       "\"http\",\"protocol\":\"TCP\",\"port\":80}]},\"status\":{"
				       "\"clusters\":"
				       "[{\"cluster\":\"east\"}]}}",
		280},
};

static const struct decode_options option_sets[] = {
	{.trusted = false},
	{.pod_names = true},
	{.zones = true},
	{.externals = true},
	{.pod_names = true, .zones = true, .externals = true},
};
#define OPTION_SETS (sizeof option_sets / sizeof *option_sets)

static char slim[4096];

static int take(void *user, const struct frame *frame)
{
	(void)user;
	assert_true(frame->document.len < sizeof slim);
	memcpy(slim, frame->document.bytes, frame->document.len);
	slim[frame->document.len] = '\0';
	return 0;
}

/* What the frames make of an object in an event, into slim. */
static void through_frames(
	enum resource resource, const struct decode_options *options, const char *json)
{
	struct json_member members[DECODE_UNREAD_MAX];
	struct frames *frames = frames_new(FRAMES_STREAM, NULL, take, NULL);
	static char event[8192];
	const int len = snprintf(event, sizeof event, "{\"type\":\"ADDED\",\"object\":%s}\n", json);

	assert_non_null(frames);
	decode_unread(resource, options, members);
	frames_reset(frames, FRAMES_STREAM, members);
	assert_int_equal(frames_feed(frames, event, (size_t)len), 0);
	assert_int_equal(frames_end(frames), 0);
	frames_free(frames);
}

static struct object *decoded(
	enum resource resource, const struct decode_options *options, const char *json)
{
	char why[DECODE_WHY_MAX];
	struct object *object = NULL;

	if (decode_object(resource, &(struct document){.bytes = json, .len = strlen(json)}, options,
		    &object, why) != DECODE_OK)
		fail_msg("%s: %s", json, why);
	return object;
}

static void the_same_object(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
		for (size_t k = 0; k < OPTION_SETS; k++) {
			struct decode_options options = option_sets[k];
			int64_t whole_ns = 0, slim_ns = 0;
			struct object *whole, *part;

			options.triggered_ns = &whole_ns;
			whole = decoded(objects[i].resource, &options, objects[i].json);
			through_frames(objects[i].resource, &options, objects[i].json);
			options.triggered_ns = &slim_ns;
			part = decoded(objects[i].resource, &options, slim);
			assert_true(object_same(whole, part));
			assert_int_equal(whole->version, part->version);
			assert_int_equal(whole->size, part->size);
			assert_true(whole_ns == slim_ns);
			object_free(whole);
			object_free(part);
		}
	}
}

static void less_to_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
		through_frames(objects[i].resource, &option_sets[OPTION_SETS - 1], objects[i].json);
		if (strlen(slim) > objects[i].at_most)
			fail_msg("%zu bytes: %s", strlen(slim), slim);
	}
}

/* They come in the same streams, whatever the resource. */
static void bookmarks_and_statuses(void **state)
{
	static const char bookmark[] =
		"{\"kind\":\"X\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"93\","
		"\"creationTimestamp\":null,\"annotations\":{\"k8s.io/initial-events-end\":"
		"\"true\"}},\"spec\":{},\"status\":{}}";
	static const char status[] =
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
		"\"message\":\"m\",\"reason\":\"Timeout\",\"details\":{\"uid\":\"u\","
		"\"retryAfterSeconds\":7,\"causes\":[{\"reason\":\"ResourceVersionTooLarge\","
		"\"message\":\"c\"}]},\"code\":504}";

	(void)state;
	for (int resource = 0; resource < RESOURCE_COUNT; resource++) {
		struct decode_meta meta;

		through_frames((enum resource)resource, &option_sets[0], bookmark);
		assert_int_equal(
			decode_meta(&(struct document){.bytes = slim, .len = strlen(slim)}, &meta),
			DECODE_OK);
		assert_true(meta.version == 93 && meta.initial_events_end);
		through_frames((enum resource)resource, &option_sets[0], status);
		assert_int_equal(
			decode_meta(&(struct document){.bytes = slim, .len = strlen(slim)}, &meta),
			DECODE_OK);
		assert_true(meta.code == 504 && meta.retry_after_s == 7 && meta.too_large_version);
		assert_string_equal(meta.reason, "Timeout");
		assert_string_equal(meta.message, "m");
	}
}

/* frames_reset() wants them in the order of depths. */
static void in_order(void **state)
{
	(void)state;
	for (int resource = 0; resource < RESOURCE_COUNT; resource++) {
		struct json_member members[DECODE_UNREAD_MAX];
		unsigned last = 1;

		decode_unread((enum resource)resource, &option_sets[0], members);
		for (const struct json_member *each = members; each->key; each++) {
			assert_true(each->depth >= last && each->depth <= JSON_MEMBER_DEPTH);
			assert_int_equal(each->len, strlen(each->key));
			last = each->depth;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_object),
		cmocka_unit_test(less_to_parse),
		cmocka_unit_test(bookmarks_and_statuses),
		cmocka_unit_test(in_order),
	};

	return cmocka_run_group_tests_name("decode_unread", tests, NULL, NULL);
}
