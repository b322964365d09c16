/* SPDX-License-Identifier: Apache-2.0 */
/* What the lookup programs have in common: the questions they read and the lines
 * they print, the same for every resolver.
 *
 * Standard input has a question a line, `OPERATION NAME`; each is answered by one
 * line, `MILLISECONDS STATUS ITEM...`:
 *
 *	host4 web.shop		its IPv4 addresses
 *	host6 web.shop		its IPv6 addresses
 *	host web.shop		both, asked for together
 *	canon web.shop		the official name of what `host` finds
 *	addr 10.96.0.1		the names of an address
 *	srv _http._tcp.web	PRIORITY,WEIGHT,PORT,TARGET
 *	txt dns-version		texts
 *	cname alias.shop	the target of the CNAME record itself
 *
 * STATUS is ok, none (no such name, or none of that type: several resolvers do not
 * tell these apart), fail (the server failed or did not answer), unknown (there is
 * no such operation here) or the resolver's own words, joined by _. Items are
 * in the resolver's order and may repeat; names have no final dot. */
#ifndef TESTS_E2E_RESOLVERS_LINES_H
#define TESTS_E2E_RESOLVERS_LINES_H

#include <stddef.h>
#include <sys/socket.h>

struct answer {
	char text[65536];
	size_t len;
};

struct operation {
	const char *name;
	/* Returns STATUS. context is the program's. */
	const char *(*run)(void *context, const char *name, struct answer *answer);
};

/* Items that no longer fit are left out, and so is a name's final dot. */
__attribute__((format(printf, 2, 3))) void answer_add(
	struct answer *answer, const char *format, ...);

void answer_add_sockaddr(struct answer *answer, const struct sockaddr *address);

/* Fills *address from its text; its length, or 0. */
socklen_t address_parse(const char *text, struct sockaddr_storage *address);

/* Serves standard input to its end; the list ends with a row without a name. */
int lines_serve(const struct operation *operations, void *context);

#endif
