/* SPDX-License-Identifier: Apache-2.0 */
/* c-ares, the resolver of Node.js, Envoy, gRPC and curl builds. Questions and
 * answers: lines.h. */
#include "lines.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>

/* One question in flight. */
struct asked {
	struct answer *answer;
	const char *status;
	bool canon;
};

static const char *ares_status(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return "ok";
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
		return "none";
	case ARES_ESERVFAIL:
	case ARES_ETIMEOUT:
	case ARES_ECONNREFUSED:
		return "fail";
	default:
		return ares_strerror(status);
	}
}

static const char *wait_for(ares_channel channel, const struct asked *asked)
{
	while (!asked->status) {
		fd_set readers, writers;
		struct timeval limit;
		int count;

		FD_ZERO(&readers);
		FD_ZERO(&writers);
		count = ares_fds(channel, &readers, &writers);
		if (count == 0)
			return "lost";
		select(count, &readers, &writers, NULL, ares_timeout(channel, NULL, &limit));
		ares_process(channel, &readers, &writers);
	}
	return asked->status;
}

/* ---- names to addresses ---- */

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
	struct asked *asked = arg;

	(void)timeouts;
	asked->status = ares_status(status);
	if (!result)
		return;
	if (asked->canon) {
		const char *name = result->name;

		for (const struct ares_addrinfo_cname *at = result->cnames; at; at = at->next)
			name = at->name;
		answer_add(asked->answer, "%s", name);
	} else {
		for (const struct ares_addrinfo_node *at = result->nodes; at; at = at->ai_next)
			answer_add_sockaddr(asked->answer, at->ai_addr);
	}
	ares_freeaddrinfo(result);
}

static const char *find(
	ares_channel channel, const char *name, int family, bool canon, struct answer *answer)
{
	const struct ares_addrinfo_hints hints = {.ai_family = family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = canon ? ARES_AI_CANONNAME : 0};
	struct asked asked = {.answer = answer, .canon = canon};

	ares_getaddrinfo(channel, name, NULL, &hints, on_addresses, &asked);
	return wait_for(channel, &asked);
}

static const char *host4(void *context, const char *name, struct answer *answer)
{
	return find(context, name, AF_INET, false, answer);
}

static const char *host6(void *context, const char *name, struct answer *answer)
{
	return find(context, name, AF_INET6, false, answer);
}

static const char *host(void *context, const char *name, struct answer *answer)
{
	return find(context, name, AF_UNSPEC, false, answer);
}

static const char *canon(void *context, const char *name, struct answer *answer)
{
	return find(context, name, AF_UNSPEC, true, answer);
}

/* ---- addresses to names ---- */

static void on_names(void *arg, int status, int timeouts, struct hostent *found)
{
	struct asked *asked = arg;

	(void)timeouts;
	asked->status = ares_status(status);
	if (!found)
		return;
	/* The first name stands among the aliases, too, or it is the only one. */
	if (!found->h_aliases[0])
		answer_add(asked->answer, "%s", found->h_name);
	for (char **at = found->h_aliases; *at; at++)
		answer_add(asked->answer, "%s", *at);
}

static const char *addr(void *context, const char *name, struct answer *answer)
{
	struct asked asked = {.answer = answer};
	struct sockaddr_storage address;

	if (address_parse(name, &address) == sizeof(struct sockaddr_in))
		ares_gethostbyaddr(context,
			&((const struct sockaddr_in *)(const void *)&address)->sin_addr, 4, AF_INET,
			on_names, &asked);
	else
		ares_gethostbyaddr(context,
			&((const struct sockaddr_in6 *)(const void *)&address)->sin6_addr, 16,
			AF_INET6, on_names, &asked);
	return wait_for(context, &asked);
}

/* ---- single records, through the resolver's search list ---- */

static void on_srv(void *arg, int status, int timeouts, unsigned char *reply, int len)
{
	struct ares_srv_reply *list = NULL;
	struct asked *asked = arg;

	(void)timeouts;
	if (status == ARES_SUCCESS)
		status = ares_parse_srv_reply(reply, len, &list);
	for (const struct ares_srv_reply *at = list; at; at = at->next)
		answer_add(
			asked->answer, "%u,%u,%u,%s", at->priority, at->weight, at->port, at->host);
	ares_free_data(list);
	asked->status = ares_status(status);
}

static const char *srv(void *context, const char *name, struct answer *answer)
{
	struct asked asked = {.answer = answer};

	ares_search(context, name, ns_c_in, ns_t_srv, on_srv, &asked);
	return wait_for(context, &asked);
}

static void on_txt(void *arg, int status, int timeouts, unsigned char *reply, int len)
{
	struct ares_txt_reply *list = NULL;
	struct asked *asked = arg;

	(void)timeouts;
	if (status == ARES_SUCCESS)
		status = ares_parse_txt_reply(reply, len, &list);
	for (const struct ares_txt_reply *at = list; at; at = at->next)
		answer_add(asked->answer, "%.*s", (int)at->length, (const char *)at->txt);
	ares_free_data(list);
	asked->status = ares_status(status);
}

static const char *txt(void *context, const char *name, struct answer *answer)
{
	struct asked asked = {.answer = answer};

	ares_search(context, name, ns_c_in, ns_t_txt, on_txt, &asked);
	return wait_for(context, &asked);
}

static void on_cname(void *arg, int status, int timeouts, unsigned char *reply, int len)
{
	struct hostent *found = NULL;
	struct asked *asked = arg;

	(void)timeouts;
	if (status == ARES_SUCCESS)
		status = ares_parse_a_reply(reply, len, &found, NULL, NULL);
	if (found) {
		answer_add(asked->answer, "%s", found->h_name);
		ares_free_hostent(found);
	}
	asked->status = ares_status(status);
}

static const char *cname(void *context, const char *name, struct answer *answer)
{
	struct asked asked = {.answer = answer};

	ares_search(context, name, ns_c_in, ns_t_cname, on_cname, &asked);
	return wait_for(context, &asked);
}

int main(void)
{
	static const struct operation operations[] = {
		{"host4", host4},
		{"host6", host6},
		{"host", host},
		{"canon", canon},
		{"addr", addr},
		{"srv", srv},
		{"txt", txt},
		{"cname", cname},
		{NULL, NULL},
	};
	ares_channel channel;
	int status;

	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
		ares_init(&channel) != ARES_SUCCESS) {
		fprintf(stderr, "c-ares does not start\n");
		return 2;
	}
	status = lines_serve(operations, channel);
	ares_destroy(channel);
	ares_library_cleanup();
	return status;
}
