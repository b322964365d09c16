/* SPDX-License-Identifier: Apache-2.0 */
/* Whole lives of a reflector, as scripts (script.h). Each is played with its bytes
 * as they are and one by one, and once more with each allocation failing. */

#include "watch/reflector.h"

#include <errno.h>

#include <cjson/cJSON.h>

#include "nomem.h"
#include "script.h"

/* A server that has streamed lists, up to the watch from version 10. */
#define STREAMED "get STREAM", "head 200", "add a@5", "endmark 10", "sink begin +a@5 end@10 SYNCED"
/* A server that has not. */
#define REFUSES_STREAM "get STREAM", "head 422", "status 422 Invalid forbidden", "done"
#define LISTED                                                                                     \
	REFUSES_STREAM, "get LIST", "head 200", "list 10 a@5", "done",                             \
		"sink begin +a@5 end@10 SYNCED", "get WATCH 10"
/* ... and whose watch has sent something, so that nothing is "very short". */
#define WATCHING LISTED, "head 200", "add b@11", "sink +b@11"

struct scenario {
	const char *name;
	const char *lines[64];
};

/* How a first list is made, and how the watch goes on. */
static const struct scenario lists[] = {
	{"streamed list becomes the watch",
		{STREAMED, "add b@11", "sink +b@11", "done", "get WATCH 11"}},
	{"streamed list with live changes",
		{"get STREAM", "head 200", "add a@7", "add b@3", "mod a@9", "del b@10", "mark 9",
			"endmark 12", "sink begin +a@7 +b@3 +a@9 -b@10 end@12 SYNCED", "done",
			"get WATCH 12"}},
	{"list and watch", {LISTED}},
	{"pages", {REFUSES_STREAM, "get LIST", "head 200", "page 10 t/1= a@5", "done",
			  "get /api/v1/namespaces?limit=500&continue=t%2F1%3D", "head 200",
			  "page 10 t2 b@6", "done", "get /api/v1/namespaces?limit=500&continue=t2",
			  "head 200", "list 10", "done", "sink begin +a@5 +b@6 end@10 SYNCED",
			  "get WATCH 10"}},
	{"list without items and with null items",
		{REFUSES_STREAM, "get LIST", "head 200",
			"raw {\"items\":null,\"metadata\":{\"resourceVersion\":\"10\"}}", "done",
			"sink begin end@10 SYNCED", "get WATCH 10", "head 410", "done",
			"get KNOWN 10", "head 200",
			"raw {\"metadata\":{\"resourceVersion\":\"11\"}} ", "done",
			"sink begin end@11 RELISTED(the resource version was too old)",
			"get WATCH 11"}},
	{"events before the version in one chunk with the list's end",
		{"get STREAM", "head 200",
			"raw {\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\","
			"\"resourceVersion\":\"5\"}}}\\n{\"type\":\"BOOKMARK\",\"object\":{"
			"\"metadata\":{\"resourceVersion\":\"10\",\"annotations\":{"
			"\"k8s.io/initial-events-end\":\"true\"}}}}\\n{\"type\":\"ERROR\","
			"\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}}\\n",
			"over", "sink begin +a@5 end@10 SYNCED", "get STREAM 10"}},
};

/* kubernetes-api.md 1.4, row by row. */
static const struct scenario rows[] = {
	{"LIST complete: what is missing is swept",
		{WATCHING, "broken", "sink FAILED(watch,0,connection reset)", "wait 800",
			"get WATCH 11", "head 410", "done", "get KNOWN 11", "head 200",
			"list 20 b@11", "done",
			"sink begin +b@11 end@20 RELISTED(the resource version was too old)",
			"get WATCH 20"}},
	{"LIST truncated",
		{REFUSES_STREAM, "get LIST", "head 200",
			"raw "
			"{\"items\":[{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"5\"}},",
			"done", "sink begin +a@5 abort FAILED(list,0,the connection broke)",
			"wait 800", "get LIST"}},
	{"LIST cut",
		{REFUSES_STREAM, "get LIST", "head 200", "raw {\"items\":[", "broken",
			"sink FAILED(list,0,connection reset)", "wait 800", "get LIST", "broken",
			"sink FAILED*1(list,0,connection reset)", "wait 1600", "get LIST",
			"head 200", "list 10 a@5", "done", "sink begin +a@5 end@10 SYNCED"}},
	{"LIST bad JSON inside an item",
		{REFUSES_STREAM, "get LIST", "head 200", "raw {\"items\":[{\"metadata\":oops}",
			"over",
			"sink begin abort FAILED(list,0,not a JSON document (byte 12 of 17))",
			"wait 800", "get LIST"}},
	{"page 410: the whole list in one piece, then the latest",
		{REFUSES_STREAM, "get LIST", "head 200", "page 10 t1 a@5", "done",
			"get /api/v1/namespaces?limit=500&continue=t1", "head 410",
			"status 410 Expired gone", "done", "sink begin +a@5 abort",
			"get /api/v1/namespaces?resourceVersion=0", "head 410", "done",
			"get LATEST", "head 200", "list 12 a@5", "done",
			"sink begin +a@5 end@12 SYNCED", "get WATCH 12"}},
	{"page 410 again and again is not a hot loop",
		{REFUSES_STREAM, "get LIST", "head 200", "page 10 t1 a@5", "done",
			"get /api/v1/namespaces?limit=500&continue=t1", "head 410", "done",
			"sink begin +a@5 abort", "get /api/v1/namespaces?resourceVersion=0",
			"head 200", "page 10 t1 a@5", "done",
			"get /api/v1/namespaces?limit=500&continue=t1", "head 410", "done",
			"sink begin +a@5 abort FAILED(list,410,HTTP 410, application/json)",
			"wait 800", "get /api/v1/namespaces"}},
	{"list 410: the latest at once, then backoff",
		{WATCHING, "error 410 Expired too old", "over", "nosink", "get KNOWN 11",
			"head 410", "done", "nosink", "get LATEST", "head 410",
			"status 410 Gone gone", "done", "sink FAILED(list,410,gone)", "wait 800",
			"get LATEST"}},
	{"list 504 too large",
		{WATCHING, "error 410 Expired too old", "get KNOWN 11", "head 504",
			"raw "
			"{\"kind\":\"Status\",\"message\":\"Timeout\",\"details\":{\"causes\":[{"
			"\"reason\":\"ResourceVersionTooLarge\"}],\"retryAfterSeconds\":1}}",
			"done", "nosink", "get LATEST"}},
	{"too large, in words only (before 1.19)",
		{WATCHING, "error 410 Expired too old", "get KNOWN 11", "head 400",
			"status 400 Timeout Too large resource version: 11, current: 4", "done",
			"get LATEST"}},
	{"watch ends cleanly", {WATCHING, "done", "nosink", "get WATCH 11"}},
	{"very short watch",
		{LISTED, "head 200", "pass 999", "done",
			"sink FAILED(watch,0,the watch ended at once, without an event)",
			"wait 800", "get WATCH 10", "head 200", "done",
			"sink FAILED*1(watch,0,the watch ended at once, without an event)",
			"wait 1600", "get WATCH 10", "head 200", "pass 1000", "done",
			"get WATCH 10"}},
	{"watch: connection refused, no backoff of ours",
		{WATCHING, "unreachable", "nosink", "get WATCH 11", "unreachable", "get WATCH 11",
			"head 200"}},
	{"watch 429 as status", {LISTED, "head 429 5 text/plain",
					"raw Too many requests, please try again later.\\n", "done",
					"sink FAILED(watch,429,HTTP 429: Too many requests, please "
					"try again later.)",
					"wait 5000", "get WATCH 10"}},
	{"watch 429 as event",
		{WATCHING,
			"raw {\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":429,"
			"\"message\":\"slow down\",\"details\":{\"retryAfterSeconds\":2}}}",
			"over", "sink FAILED(watch,429,slow down)", "wait 2000", "get WATCH 11"}},
	{"watch 429 without Retry-After",
		{LISTED, "head 429", "done", "sink FAILED(watch,429,HTTP 429, application/json)",
			"wait 800", "get WATCH 10"}},
	{"ERROR 500: the watch once more, then a list",
		{WATCHING, "error 500 InternalError etcd", "sink FAILED(watch,500,etcd)",
			"wait 800", "get WATCH 11", "head 200", "error 500 InternalError etcd",
			"sink FAILED*1(watch,500,etcd)", "wait 1600", "get KNOWN 11"}},
	{"watch 410 as status",
		{LISTED, "head 410", "status 410 Gone too old resource version", "done", "nosink",
			"get KNOWN 10", "head 200", "list 20 a@5", "done",
			"sink begin +a@5 end@20 RELISTED(the resource version was too old)",
			"get WATCH 20", "head 410", "done",
			"sink FAILED(watch,410,HTTP 410, application/json)", "wait 800",
			"get LATEST"}},
	{"watch 410 as event, streamed",
		{STREAMED, "add b@11", "sink +b@11", "error 410 Expired too old", "over",
			"get STREAM 11", "head 200", "add b@11", "endmark 30",
			"sink begin +b@11 end@30 RELISTED(the resource version was too old)",
			"done", "get WATCH 30"}},
	{"watch: any other ERROR",
		{WATCHING, "error 403 Forbidden no", "over", "sink FAILED(watch,403,no)",
			"wait 800", "get KNOWN 11"}},
	{"watch: undecodable line",
		{WATCHING, "raw {\"type\":\"ADDED\",\"object\":{\"metadata\":{]}}}\\n", "over",
			"sink FAILED(watch,0,not a JSON document (byte 14 of 15))", "wait 800",
			"get KNOWN 11"}},
	{"EOF inside an object",
		{WATCHING, "raw {\"type\":\"ADDED\",", "done",
			"sink FAILED(watch,0,the connection broke)", "wait 800", "get WATCH 11"}},
	{"RST", {WATCHING, "broken", "sink FAILED(watch,0,connection reset)", "wait 800",
			"get WATCH 11"}},
	{"time-out", {WATCHING, "timeout", "sink FAILED(watch,0,timed out)", "wait 800",
			     "get WATCH 11"}},
	{"401: once more at once with the file read anew, then backoff, near the cap at last",
		{LISTED, "head 401", "done", "nosink", "get fresh WATCH 10", "head 401", "done",
			"sink UNAUTHORIZED(watch,401,HTTP 401, application/json)", "wait 800",
			"get fresh WATCH 10", "head 401", "done", "wait 1600", "get fresh WATCH 10",
			"head 401", "done", "wait 3200", "get fresh WATCH 10", "head 401", "done",
			"wait 30000", "get fresh WATCH 10", "head 200", "pass 2000", "done",
			"get WATCH 10"}},
	{"403: what was known stays; capped backoff",
		{WATCHING, "done", "get WATCH 11", "head 403", "status 403 Forbidden no watch",
			"done", "sink FORBIDDEN(watch,403,no watch)", "wait 800", "get WATCH 11",
			"head 403", "status 403 Forbidden no watch", "done",
			"sink FORBIDDEN*1(watch,403,no watch)", "wait 1600", "get WATCH 11",
			"head 403", "done", "sink FORBIDDEN(watch,403,HTTP 403, application/json)",
			"wait 3200", "get WATCH 11", "head 403", "done", "wait 30000",
			"get WATCH 11", "head 200", "pass 2000", "done", "get WATCH 11"}},
	{"403 on the list",
		{"get STREAM", "head 403", "status 403 Forbidden no watch", "done", "nosink",
			"get LIST", "head 403", "status 403 Forbidden no list", "done",
			"sink FORBIDDEN(list,403,no list)", "wait 800", "get STREAM", "head 200",
			"add a@5", "endmark 10", "sink begin +a@5 end@10 SYNCED"}},
	{"404 on the collection: polled",
		{"get STREAM", "head 404", "done",
			"sink API_MISSING(watch,404,HTTP 404, application/json)", "get STREAM",
			"head 404", "done",
			"sink API_MISSING*1(watch,404,HTTP 404, application/json)", "wait 60000",
			"get STREAM"}},
	{"400: our own parameters",
		{"get STREAM", "head 400", "done", "nosink", "get LIST", "head 400",
			"status 400 BadRequest what", "done", "sink FAILED(list,400,what)",
			"wait 800", "get LATEST"}},
	{"400 on the watch",
		{LISTED, "head 422", "done", "sink FAILED(watch,422,HTTP 422, application/json)",
			"wait 800", "get LATEST"}},
	{"5xx with Retry-After",
		{REFUSES_STREAM, "get LIST", "head 503 7", "status 503 ServiceUnavailable starting",
			"done", "sink FAILED(list,503,starting)", "wait 7000", "get LIST",
			"head 500", "done", "sink FAILED(list,500,HTTP 500, application/json)",
			"wait 800", "get LIST"}},
	{"5xx on the watch",
		{LISTED, "head 502 -1 text/html", "raw <html>Bad Gateway</html>", "done",
			"sink FAILED(watch,502,HTTP 502, text/html)", "wait 800", "get WATCH 10"}},
	{"bookmark", {LISTED, "head 200", "mark 40", "nosink", "done", "get WATCH 40"}},
	{"ADDED for a present key, MODIFIED and DELETED for an absent one",
		{LISTED, "head 200", "add a@11", "mod x@12", "del y@13", "sink +a@11 +x@12 -y@13",
			"done", "get WATCH 13"}},
	{"duplicates after a re-watch do not move the version back",
		{WATCHING, "add c@20", "add b@11", "sink +c@20 +b@11", "done", "get WATCH 20"}},
	{"event types of the future",
		{LISTED, "head 200", "raw {\"type\":\"FUTURE\",\"object\":{}}", "nosink", "done",
			"get WATCH 10"}},
};

/* What the table of 1.4 does not say. */
static const struct scenario others[] = {
	{"a bookmark from the past forces a list of the latest state",
		{WATCHING, "mark 4", "over", "get LATEST", "head 200", "list 4 a@2", "done",
			"sink begin +a@2 end@4 RELISTED(the API server's resource versions have "
			"gone back)",
			"get WATCH 4"}},
	{"a list from the past, too",
		{WATCHING, "error 410 Expired old", "get KNOWN 11", "head 200", "list 4 a@2",
			"done", "sink begin +a@2 abort", "get LATEST", "head 200", "list 4 a@2",
			"done",
			"sink begin +a@2 end@4 RELISTED(the API server's resource versions have "
			"gone back)",
			"get WATCH 4"}},
	{"streamed list: an ERROR event falls back for an hour",
		{"get STREAM", "head 200",
			"error 500 InternalError RequestWatchProgress is "
			"disabled",
			"over", "sink begin abort", "get LIST", "head 200", "list 10 a@5", "done",
			"sink begin +a@5 end@10 SYNCED", "get WATCH 10", "head 410", "done",
			"get KNOWN 10", "head 200", "list 12", "done", "get WATCH 12", "head 200",
			"pass 3600000", "mark 13", "error 410 Expired old", "get STREAM 13"}},
	{"streamed list: silence for half a minute falls back",
		{"get STREAM", "pass 100000", "head 200", "pass 20000", "add a@5", "pass 29999",
			"sink begin +a@5", "pass 1", "sink abort", "get LIST"}},
	{"streamed list: ended without its bookmark",
		{"get STREAM", "head 200", "add a@5", "pass 5000", "done", "sink begin +a@5 abort",
			"get LIST"}},
	{"streamed list: too long", {"get STREAM", "head 200", "timeout", "nosink", "get LIST"}},
	{"streamed list: cut twice is tried as a list",
		{"get STREAM", "head 200", "add a@5", "broken",
			"sink begin +a@5 abort FAILED(watch,0,connection reset)", "wait 800",
			"get STREAM", "head 200", "broken", "wait 1600", "get LIST"}},
	{"streamed list: 429", {"get STREAM", "head 429 1", "done", "wait 1000", "get STREAM"}},
	{"streamed list: 401", {"get STREAM", "head 401", "done", "get fresh STREAM", "head 200"}},
	{"streamed list: 410", {"get STREAM", "head 410", "done", "get STREAM", "head 410", "done",
				       "sink FAILED(watch,410,HTTP 410, application/json)",
				       "wait 800", "get LATEST"}},
	{"streamed list: from the past",
		{STREAMED, "error 410 Expired old", "get STREAM 10", "head 200", "add a@2",
			"endmark 4", "over", "sink begin +a@2 abort", "get STREAM", "head 200",
			"add a@2", "endmark 4",
			"sink begin +a@2 end@4 RELISTED(the API server's resource versions have "
			"gone back)"}},
	{"a watch that falls silent after its bookmarks",
		{LISTED, "head 200", "mark 20", "pass 179999", "nosink", "get WATCH 10", "pass 1",
			"sink FAILED(watch,0,nothing comes from the API server any more)",
			"wait 800", "get WATCH 20"}},
	{"a watch without bookmarks may be silent",
		{LISTED, "head 200", "pass 600000", "get WATCH 10", "nosink"}},
	{"HTML with 200",
		{REFUSES_STREAM, "get LIST", "head 200 -1 text/html", "raw <html>Log in</html>",
			"over",
			"sink FAILED(list,0,the answer is not the JSON of a list or a watch; its "
			"content type is text/html)",
			"wait 800", "get LIST"}},
	{"another kind's list",
		{REFUSES_STREAM, "get LIST", "head 200",
			"raw {\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"1\"}}",
			"done",
			"sink FAILED(list,0,the answer is not a list with a resource version)",
			"wait 800", "get LIST"}},
	{"a list without a version",
		{REFUSES_STREAM, "get LIST", "head 200", "raw {\"metadata\":{},\"items\":[]}",
			"done", "wait 800", "get LIST"}},
	{"TLS and credentials",
		{REFUSES_STREAM, "get LIST", "tls",
			"sink TLS_FAILED(list,0,self-signed certificate)", "wait 800", "get LIST",
			"credentials", "sink CREDENTIALS(list,0,no token)", "wait 1600",
			"get LIST"}},
	{"unreachable from the start",
		{"get STREAM", "unreachable", "nosink", "get STREAM", "unreachable", "get STREAM"}},
	{"the server is back: waits of ours are over, its own are not",
		{WATCHING, "broken", "reachable", "pass 0", "get WATCH 11", "head 429 9", "done",
			"reachable", "wait 9000", "get WATCH 11", "head 200"}},
	{"two quiet minutes begin the backoff again",
		{WATCHING, "broken", "wait 800", "get WATCH 11", "broken", "wait 1600",
			"get WATCH 11", "head 200", "pass 130000", "broken", "wait 800"}},
	{"an object without a name in a list is left out",
		{REFUSES_STREAM, "get LIST", "head 200",
			"raw {\"items\":[{\"metadata\":{}},{\"metadata\":{\"name\":\"b\","
			"\"resourceVersion\":\"3\"}}],\"metadata\":{\"resourceVersion\":\"10\"}}",
			"done",
			"sink begin REFUSED(Namespace: metadata.name is missing) +b@3 end@10 "
			"SYNCED",
			"get WATCH 10"}},
	{"an event of an object without a name is an event lost",
		{LISTED, "head 200", "raw {\"type\":\"ADDED\",\"object\":{\"metadata\":{}}}",
			"over", "wait 800", "get KNOWN 10"}},
};

/* One of several endpoints APIs, and objects that say nothing to DNS any more. */
#define GROUP(version) "get /apis/discovery.k8s.io/" version
#define OFFERS                                                                                     \
	"raw {\"kind\":\"APIResourceList\",\"resources\":[{\"name\":\"endpointslices\"}]}", "done"
#define NO_SLICES "raw {\"kind\":\"APIResourceList\",\"resources\":[]}", "done"
#define SLICE(labels, rest)                                                                        \
	"{\"metadata\":{\"namespace\":\"d\",\"name\":\"s\",\"resourceVersion\":\"12\",\"labels\":" \
	"{" labels "}}," rest "}"
#define OF_WEB    "\"kubernetes.io/service-name\":\"web\""
#define ADDRESSES "\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.0.0.1\"]}]"

static const struct scenario slices[] = {
	{"v1", {GROUP("v1"), "head 200", OFFERS, "path /apis/discovery.k8s.io/v1/endpointslices",
		       "get STREAM"}},
	{"v1beta1", {GROUP("v1"), "head 404", "done", GROUP("v1beta1"), "head 200", OFFERS,
			    "path /apis/discovery.k8s.io/v1beta1/endpointslices", "get STREAM"}},
	{"core Endpoints", {GROUP("v1"), "head 200", NO_SLICES, GROUP("v1beta1"), "head 404",
				   "done", "path /api/v1/endpoints", "get STREAM"}},
	{"unknown is not a downgrade",
		{GROUP("v1"), "head 503 3", "done",
			"sink FAILED(get,503,HTTP 503, application/json)", "wait 3000", GROUP("v1"),
			"head 403", "done", "sink FORBIDDEN(get,403,HTTP 403, application/json)",
			"wait 800", GROUP("v1"), "head 401", "done",
			"get fresh /apis/discovery.k8s.io/v1", "head 200", "raw <html>", "done",
			"sink FAILED(get,0,an answer could not be read)", "wait 1600", GROUP("v1"),
			"unreachable", GROUP("v1"), "broken", "wait 3200", GROUP("v1")}},
	{"found again after a 404, then asked once a minute",
		{GROUP("v1"), "head 200", OFFERS, "path /apis/discovery.k8s.io/v1/endpointslices",
			"get STREAM", "head 404", "done", GROUP("v1"), "head 200", OFFERS,
			"get STREAM", "head 404", "done", "wait 60000", GROUP("v1")}},
	{"the API goes away under the watch: the older one has versions of its own",
		{GROUP("v1"), "head 200", OFFERS, "path /apis/discovery.k8s.io/v1/endpointslices",
			"get STREAM", "head 200", "endmark 50", "sink begin end@50 SYNCED", "done",
			"get WATCH 50", "head 404", "done", GROUP("v1"), "head 404", "done",
			GROUP("v1beta1"), "head 404", "done", "path /api/v1/endpoints",
			"get STREAM", "head 200", "endmark 7", "done", "get WATCH 7"}},
	{"a slice that says nothing to DNS any more is taken out",
		{GROUP("v1"), "head 200", OFFERS, "path /apis/discovery.k8s.io/v1/endpointslices",
			"get STREAM", "head 200", "endmark 10", "sink begin end@10 SYNCED",
			"raw {\"type\":\"ADDED\",\"object\":" SLICE(OF_WEB, ADDRESSES) "}",
			"sink +d/s@12",
			"raw {\"type\":\"MODIFIED\",\"object\":" SLICE("", ADDRESSES) "}",
			"sink -d/s@12",
			"raw {\"type\":\"MODIFIED\",\"object\":" SLICE(
				OF_WEB, "\"addressType\":\"IPv4\",\"endpoints\":7") "}",
			"sink REFUSED(EndpointSlice d/s: endpoints is not a list) -d/s@12",
			"raw {\"type\":\"MODIFIED\",\"object\":" SLICE(OF_WEB,
				"\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.0.0."
				"1\","
				"\"x\"]}]") "}",
			"sink REFUSED(EndpointSlice d/s: address \"x\" cannot be used) +d/s@12",
			"done", "get WATCH 12"}},
	{"in a list such a slice is simply not told",
		{GROUP("v1"), "head 200", OFFERS, "path /apis/discovery.k8s.io/v1/endpointslices",
			"get STREAM", "head 422", "done", "get LIST", "head 200",
			"raw {\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[" SLICE(
				"", ADDRESSES) "," SLICE(OF_WEB, ADDRESSES) "]}",
			"done", "sink begin +d/s@12 end@9 SYNCED"}},
};

static const struct frames_limits limits = {4096, 256};

static void play(const struct scenario *scenario, enum object_kind kind, size_t chunk)
{
	const struct reflector_config config = {.kind = kind, .limits = &limits};
	struct world world;

	assert_int_equal(world_open(&world, &config), 0);
	world.chunk = chunk;
	reflector_start(world.reflector);
	world_play(&world, scenario->lines);
	world_close(&world);
}

static void play_all(const struct scenario *scenarios, size_t count, enum object_kind kind)
{
	for (size_t i = 0; i < count; i++) {
		play(&scenarios[i], kind, 0);
		play(&scenarios[i], kind, 1);
		play(&scenarios[i], kind, 7);
	}
}

#define IMPORTS "path /apis/multicluster.x-k8s.io/v1alpha1/serviceimports"
#define IMPORT(rest)                                                                               \
	"{\"metadata\":{\"namespace\":\"d\",\"name\":\"i\",\"resourceVersion\":\"7\"}" rest "}"
#define LISTED_IMPORT                                                                              \
	"head 200",                                                                                \
		"raw {\"type\":\"ADDED\",\"object\":" IMPORT(                                      \
			",\"spec\":{\"type\":\"Headless\"}") "}",                                  \
		"endmark 9"

static const struct scenario imports[] = {
	{"a CRD that is not there is an empty list, told once; it may come",
		{IMPORTS, "get STREAM", "head 404", "done",
			"sink begin end@0 API_MISSING(watch,404,HTTP 404, application/json)",
			"wait 60000", "get STREAM", "head 404", "done", "nosink", "wait 60000",
			"get STREAM", LISTED_IMPORT,
			"sink begin +d/i@7 end@9 RELISTED(the API was missing)", "done",
			"get WATCH 9"}},
	{"its list is missing too",
		{IMPORTS, REFUSES_STREAM, "get LIST", "head 404", "done",
			"sink begin end@0 API_MISSING(list,404,HTTP 404, application/json)",
			"wait 60000"}},
	{"a CRD that goes takes its objects with it, if it is gone for good",
		{IMPORTS, "get STREAM", LISTED_IMPORT, "sink begin +d/i@7 end@9 SYNCED", "done",
			"get WATCH 9", "head 404", "done", "nosink", "get STREAM", "head 404",
			"done",
			"sink begin end@0 API_MISSING(watch,404,HTTP 404, application/json)",
			"wait 60000"}},
	{"a 404 that was a mistake changes nothing",
		{IMPORTS, "get STREAM", LISTED_IMPORT, "sink begin +d/i@7 end@9 SYNCED", "done",
			"get WATCH 9", "head 404", "done", "get STREAM", LISTED_IMPORT,
			"sink begin +d/i@7 end@9 RELISTED(the API was missing)"}},
	{"no permission is a failure, as elsewhere",
		{IMPORTS, "get STREAM", "head 403", "done", "get LIST", "head 403", "done",
			"sink FORBIDDEN(list,403,HTTP 403, application/json)", "wait 800"}},
};

#define PLAY_ALL(scenarios, kind)                                                                  \
	play_all(scenarios, sizeof(scenarios) / sizeof((scenarios)[0]), kind)

static void test_lists(void **state)
{
	(void)state;
	PLAY_ALL(lists, KIND_NAMESPACE);
}

static void test_table_1_4(void **state)
{
	(void)state;
	PLAY_ALL(rows, KIND_NAMESPACE);
}

static void test_others(void **state)
{
	(void)state;
	PLAY_ALL(others, KIND_NAMESPACE);
}

static void test_slices(void **state)
{
	(void)state;
	PLAY_ALL(slices, KIND_SLICE);
}

static void test_imports(void **state)
{
	(void)state;
	PLAY_ALL(imports, KIND_IMPORT);
}

/* The same selectors on list, page and watch, escaped. */
static void test_selectors(void **state)
{
#define PODS "get /api/v1/pods?"
#define SELECTORS                                                                                  \
	"labelSelector=app%20in%20%28a%2Cb%29&fieldSelector=status.phase%21%3DSucceeded%2C"        \
	"status.phase%21%3DFailed%2Cstatus.phase%21%3DUnknown"
	static const char *const lines[] = {PODS
		"watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
		"&resourceVersionMatch=NotOlderThan&resourceVersion=&timeoutSeconds=300&" SELECTORS,
		"head 422", "done", PODS "limit=500&resourceVersion=0&" SELECTORS, "head 200",
		"raw {\"metadata\":{\"resourceVersion\":\"9\",\"continue\":\"c\"}}", "done",
		PODS "limit=500&continue=c&" SELECTORS, "head 200",
		"raw {\"metadata\":{\"resourceVersion\":\"9\"}}", "done",
		PODS "watch=true&allowWatchBookmarks=true&resourceVersion=9&timeoutSeconds="
		     "300&" SELECTORS,
		NULL};
	const struct reflector_config config = {.kind = KIND_POD, .label_selector = "app in (a,b)"};
	struct world world;

	(void)state;
	assert_int_equal(world_open(&world, &config), 0);
	reflector_start(world.reflector);
	world_play(&world, lines);
	world_close(&world);
}

/* An object beyond the cap is not waited for. */
static void test_object_cap(void **state)
{
	static const char *const before[] = {
		REFUSES_STREAM, "get LIST", "head 200", "raw {\"items\":[{\"a\":\"", NULL};
	static const char *const after[] = {"over",
		"sink FAILED(list,0,an object is larger than anything the API server can store)",
		"wait 800", "get LIST", NULL};
	const struct reflector_config config = {.kind = KIND_NAMESPACE, .limits = &limits};
	struct world world;

	(void)state;
	assert_int_equal(world_open(&world, &config), 0);
	reflector_start(world.reflector);
	world_play(&world, before);
	for (unsigned i = 0; i < 4096 - 6; i++)
		world_bytes(&world, "a");
	assert_false(world.stopped);
	world_bytes(&world, "a");
	world_play(&world, after);
	world_close(&world);
}

/* What a request asks of the transport. */
static void test_requests(void **state)
{
	const struct reflector_config config = {.kind = KIND_NAMESPACE};
	static const char *const to_list[] = {REFUSES_STREAM, "get LIST", NULL};
	static const char *const to_watch[] = {"head 200", "list 10", "done", NULL};
	struct world world;

	(void)state;
	assert_int_equal(world_open(&world, &config), 0);
	world.random = UINT32_MAX;
	reflector_start(world.reflector);
	assert_false(world.call->request.compressed);
	assert_int_equal(world.call->request.timeout_ms, (300 + UINT32_MAX % 301 + 30) * 1000);
	world.random = 300;
	world.path = "/api/v1/namespaces";
	world_done(&world, TRANSPORT_UNREACHABLE, "");
	assert_int_equal(world.call->request.timeout_ms, 630000);
	assert_int_equal(world.call->request.silence_ms, 0);
	world.random = 0;
	world_done(&world, TRANSPORT_UNREACHABLE, "");
	world_play(&world, to_list);
	assert_true(world.call->request.compressed);
	assert_true(world.call->request.protobuf);
	assert_int_equal(world.call->request.timeout_ms, 120000);
	world_play(&world, to_watch);
	assert_false(world.call->request.compressed);
	assert_true(world.call->request.protobuf);
	assert_int_equal(world.call->request.timeout_ms, 330000);
	world_close(&world);
}

/* Only what there is a message of: not the resources of a group version, not a CRD. */
static void test_protobuf_is_asked_for(void **state)
{
	static const struct {
		enum object_kind kind;
		bool protobuf;
	} kinds[] = {{KIND_SLICE, false}, {KIND_IMPORT, false}, {KIND_IMPORT_SLICE, true},
		{KIND_POD, true}};

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		const struct reflector_config config = {.kind = kinds[i].kind};
		struct world world;

		assert_int_equal(world_open(&world, &config), 0);
		reflector_start(world.reflector);
		assert_int_equal(world.call->request.protobuf, kinds[i].protobuf);
		world_close(&world);
	}
}

/* After what was no protobuf it is JSON for an hour. */
static void test_corrupt_protobuf(void **state)
{
	static const char *const corrupt[] = {REFUSES_STREAM, "get LIST",
		"head 200 -1 application/vnd.kubernetes.protobuf", "raw <html>", "over", NULL};
	static const char *const in_json[] = {
		"wait 800", "get LIST", "head 200", "list 10", "done", "get WATCH 10", NULL};
	static const char *const still[] = {
		"head 200", "add b@11", "pass 3599000", "done", "get WATCH 11", NULL};
	static const char *const again[] = {
		"head 200", "add c@12", "pass 1000", "done", "get WATCH 12", NULL};
	const struct reflector_config config = {.kind = KIND_NAMESPACE};
	struct world world;

	(void)state;
	assert_int_equal(world_open(&world, &config), 0);
	world.path = "/api/v1/namespaces";
	reflector_start(world.reflector);
	world_play(&world, corrupt);
	world_play(&world, in_json);
	assert_false(world.call->request.protobuf);
	world_play(&world, still);
	assert_false(world.call->request.protobuf);
	world_play(&world, again);
	assert_true(world.call->request.protobuf);
	world_close(&world);
}

static void test_stats(void **state)
{
	static const char *const first[] = {LISTED, "head 200", NULL};
	static const char *const then[] = {"add b@11", "del b@12", "add c@13", "mark 14",
		"raw {\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":3}}}", NULL};
	static const char *const refused[] = {"wait 800", "head 403", "done", NULL};
	const struct reflector_config config = {.kind = KIND_NAMESPACE};
	struct watch_stats stats;
	struct world world;

	(void)state;
	assert_int_equal(world_open(&world, &config), 0);
	reflector_stats(world.reflector, &stats);
	assert_int_equal(stats.state, WATCH_STATE_OFF);
	reflector_start(world.reflector);
	reflector_stats(world.reflector, &stats);
	assert_int_equal(stats.state, WATCH_STATE_LISTING);
	assert_false(stats.synced);
	world_play(&world, first);
	reflector_stats(world.reflector, &stats);
	assert_int_equal(stats.state, WATCH_STATE_WATCHING);
	assert_true(stats.synced);
	assert_int_equal(stats.objects, 1);
	assert_int_equal(stats.lists, 1);
	assert_int_equal(stats.stream_lists, 1);
	assert_int_equal(stats.watches, 1);
	assert_int_equal(stats.failures, 0);
	assert_true(stats.bytes > 100);
	world.now += 5;
	world_play(&world, then);
	reflector_stats(world.reflector, &stats);
	assert_int_equal(stats.state, WATCH_STATE_WAITING);
	assert_int_equal(stats.objects, 2);
	assert_int_equal(stats.version, 14);
	assert_int_equal(stats.events, 4);
	assert_int_equal(stats.bookmarks, 1);
	assert_int_equal(stats.refused, 1);
	assert_int_equal(stats.failures, 1);
	assert_int_equal(stats.last_contact_ms, world.now);
	world_play(&world, refused);
	reflector_stats(world.reflector, &stats);
	assert_true(stats.forbidden);
	world_close(&world);
}

/* Whoever is told something may close the reflector there and then. */
static void test_close_inside(void **state)
{
	static const char *const at[] = {
		"begin", "+a@5", "end@10", "SYNCED", "+b@11", "-b@12", "FAILED", "UNAUTHORIZED"};
	static const char *const lines[] = {REFUSES_STREAM, "get LIST", "head 200", "list 10 a@5",
		"done", "get WATCH 10", "head 200", "add b@11", "del b@12", "broken", "wait 800",
		"head 401", "done", "head 401", "done", NULL};
	const struct reflector_config config = {.kind = KIND_NAMESPACE};

	(void)state;
	for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
		struct world world;

		assert_int_equal(world_open(&world, &config), 0);
		world.close_at = at[i];
		reflector_start(world.reflector);
		for (size_t line = 0; lines[line] && world.reflector; line++)
			world_step(&world, lines[line]);
		assert_null(world.reflector);
		assert_null(world.call);
		assert_null(world.timer);
	}
}

static void test_close_while_waiting(void **state)
{
	const struct reflector_config config = {.kind = KIND_SERVICE};
	struct world world;

	(void)state;
	assert_int_equal(world_open(&world, &config), 0);
	world_close(&world); /* never started */
	assert_int_equal(world_open(&world, &config), 0);
	reflector_start(world.reflector);
	world_done(&world, TRANSPORT_TLS, "");
	world_close(&world);
	reflector_close(NULL);
}

/* A sink without memory: the list is given up and made again. */
static void test_sink_without_memory(void **state)
{
	static const char *const in_list[] = {REFUSES_STREAM, "get LIST", "head 200", "list 10 a@5",
		"over", "sink begin +a@5 abort FAILED(list,0,out of memory)", "wait 800",
		"get LIST", "head 200", "list 10 a@5", "done", "sink begin +a@5 end@10 SYNCED",
		"get WATCH 10", "head 200", NULL};
	static const char *const in_watch[] = {"add b@11", "over",
		"sink +b@11 FAILED(watch,0,out of memory)", "wait 1600", "get KNOWN 10", NULL};
	const struct reflector_config config = {.kind = KIND_NAMESPACE};
	struct world world;

	(void)state;
	assert_int_equal(world_open(&world, &config), 0);
	world.fail_upserts = 1;
	reflector_start(world.reflector);
	world_play(&world, in_list);
	world.fail_upserts = 1;
	world_play(&world, in_watch);
	world_close(&world);
}

/* Bring the reflector from wherever a failed allocation has left it to a synced
 * watch, as a server would. False: it made too many calls. */
static bool serve_until_synced(struct world *world)
{
	struct watch_stats stats;

	for (unsigned turn = 0; turn < 40; turn++) {
		reflector_stats(world->reflector, &stats);
		if (stats.synced && stats.state == WATCH_STATE_WATCHING)
			return true;
		if (!world->call) {
			world_pass(world, "100000");
		} else if (strstr(world->call->target, "sendInitialEvents")) {
			world_step(world, "head 422");
			world_step(world, "done");
		} else if (strstr(world->call->target, "watch=true")) {
			world_step(world, "head 200");
		} else {
			world_step(world, "head 200");
			world_step(world, "list 10 a@5 b@6");
			if (world->call && !strstr(world->call->target, "watch=true"))
				world_step(world, "done");
		}
	}
	return false;
}

/* Every allocation fails once; nothing leaks, nothing is lost for good. */
static void test_allocation_failures(void **state)
{
	const struct reflector_config config = {
		.kind = KIND_NAMESPACE, .label_selector = "a=b", .source = "https://x"};
	cJSON_Hooks hooks = {malloc, free};
	unsigned opened = 0;

	(void)state;
	cJSON_InitHooks(&hooks);
	for (unsigned nth = 1; nth < 200; nth++) {
		struct world world;
		int error;

		nomem_at(nth);
		error = world_open(&world, &config);
		if (error < 0) {
			assert_int_equal(error, -ENOMEM);
			assert_null(world.timer);
			continue;
		}
		opened++;
		reflector_start(world.reflector);
		assert_true(serve_until_synced(&world));
		nomem_at(0);
		world_close(&world);
	}
	cJSON_InitHooks(NULL);
	assert_true(opened > 150 && opened < 199);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_table_1_4),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_imports),
		cmocka_unit_test(test_selectors),
		cmocka_unit_test(test_object_cap),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_protobuf_is_asked_for),
		cmocka_unit_test(test_corrupt_protobuf),
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_close_inside),
		cmocka_unit_test(test_close_while_waiting),
		cmocka_unit_test(test_sink_without_memory),
		cmocka_unit_test(test_allocation_failures),
	};

	return cmocka_run_group_tests_name("reflector", tests, NULL, NULL);
}
