/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver of a C library, glibc's or musl's: what nearly every program in a
 * container calls. Questions and answers: lines.h. */
#include "lines.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char *gai_status(int error)
{
	switch (error) {
	case 0:
		return "ok";
	case EAI_NONAME:
	case EAI_NODATA:
		return "none";
	case EAI_AGAIN:
		return "fail";
	default:
		return gai_strerror(error);
	}
}

static const char *find(const char *name, int family, int flags, struct answer *answer)
{
	/* One socket type: each address once. */
	const struct addrinfo hints = {
		.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = flags};
	struct addrinfo *list;
	const int error = getaddrinfo(name, NULL, &hints, &list);

	if (error)
		return gai_status(error);
	if (flags & AI_CANONNAME) {
		answer_add(answer, "%s", list->ai_canonname);
	} else {
		for (const struct addrinfo *at = list; at; at = at->ai_next)
			answer_add_sockaddr(answer, at->ai_addr);
	}
	freeaddrinfo(list);
	return "ok";
}

static const char *host4(void *context, const char *name, struct answer *answer)
{
	(void)context;
	return find(name, AF_INET, 0, answer);
}

static const char *host6(void *context, const char *name, struct answer *answer)
{
	(void)context;
	return find(name, AF_INET6, 0, answer);
}

static const char *host(void *context, const char *name, struct answer *answer)
{
	(void)context;
	return find(name, AF_UNSPEC, 0, answer);
}

static const char *canon(void *context, const char *name, struct answer *answer)
{
	(void)context;
	return find(name, AF_UNSPEC, AI_CANONNAME, answer);
}

static const char *addr(void *context, const char *name, struct answer *answer)
{
	struct sockaddr_storage address;
	const socklen_t len = address_parse(name, &address);
	char text[NI_MAXHOST];
	int error;

	(void)context;
	error = getnameinfo((const struct sockaddr *)(const void *)&address, len, text, sizeof text,
		NULL, 0, NI_NAMEREQD);
	if (error == 0)
		answer_add(answer, "%s", text);
	return gai_status(error);
}

/* ---- single records, through the resolver's search list ---- */

static const char *h_status(int error)
{
	switch (error) {
	case HOST_NOT_FOUND:
	case NO_DATA:
		return "none";
	case TRY_AGAIN:
		return "fail";
	default:
		return "broken";
	}
}

static void put_name(
	ns_msg *message, const unsigned char *at, const char *before, struct answer *answer)
{
	char target[NS_MAXDNAME];

	if (dn_expand(ns_msg_base(*message), ns_msg_end(*message), at, target, sizeof target) >= 0)
		answer_add(answer, "%s%s", before, target);
}

static void put_record(ns_msg *message, ns_rr *record, struct answer *answer)
{
	const unsigned char *rdata = ns_rr_rdata(*record);
	const size_t len = ns_rr_rdlen(*record);
	char numbers[32];

	if (ns_rr_type(*record) == ns_t_cname) {
		put_name(message, rdata, "", answer);
	} else if (ns_rr_type(*record) == ns_t_srv && len > 6) {
		snprintf(numbers, sizeof numbers, "%u,%u,%u,", ns_get16(rdata), ns_get16(rdata + 2),
			ns_get16(rdata + 4));
		put_name(message, rdata + 6, numbers, answer);
	} else if (ns_rr_type(*record) == ns_t_txt && len > 0 && rdata[0] < len) {
		answer_add(answer, "%.*s", rdata[0], (const char *)rdata + 1);
	}
}

static const char *search(const char *name, ns_type type, struct answer *answer)
{
	unsigned char reply[65535];
	const int len = res_search(name, ns_c_in, (int)type, reply, sizeof reply);
	ns_msg message;
	ns_rr record;

	if (len < 0)
		return h_status(h_errno);
	if (ns_initparse(reply, len, &message) < 0)
		return "broken";
	for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
		if (ns_parserr(&message, ns_s_an, i, &record) < 0)
			return "broken";
		if (ns_rr_type(record) == type)
			put_record(&message, &record, answer);
	}
	return answer->len ? "ok" : "none";
}

static const char *srv(void *context, const char *name, struct answer *answer)
{
	(void)context;
	return search(name, ns_t_srv, answer);
}

static const char *txt(void *context, const char *name, struct answer *answer)
{
	(void)context;
	return search(name, ns_t_txt, answer);
}

static const char *cname(void *context, const char *name, struct answer *answer)
{
	(void)context;
	return search(name, ns_t_cname, answer);
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

	return lines_serve(operations, NULL);
}
