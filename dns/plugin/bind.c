/* SPDX-License-Identifier: Apache-2.0 */
/* `bind`: the addresses on which a server block listens. Names of interfaces
 * become the addresses that they have at setup. */

#include "dns/corefile/value.h"
#include "list.h"
#include "option.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERFACES_MAX 256

struct bind_address {
	struct sockaddr_storage address;
	char text[NI_MAXHOST];
};

struct addresses {
	struct bind_address *items;
	size_t count;
};

/* While one line is read: what it names, what it excludes. */
struct bind_line {
	struct addresses wanted, except;
	struct ifaddrs *interfaces;
};

static bool address_same(const struct bind_address *a, const struct bind_address *b)
{
	return memcmp(&a->address, &b->address, sizeof a->address) == 0;
}

static bool addresses_have(const struct addresses *list, const struct bind_address *address)
{
	for (size_t i = 0; i < list->count; i++) {
		if (address_same(&list->items[i], address))
			return true;
	}
	return false;
}

/* Append, if it is not there. */
static int addresses_add(struct addresses *list, const struct bind_address *address)
{
	struct bind_address *grown;

	if (addresses_have(list, address))
		return 0;
	grown = reallocarray(list->items, list->count + 1, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	list->items = grown;
	grown[list->count++] = *address;
	return 0;
}

static void address_set(struct bind_address *out, int family, const void *bytes, uint32_t scope)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&out->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->address;
	socklen_t len = family == AF_INET ? sizeof *v4 : sizeof *v6;

	memset(out, 0, sizeof *out);
	out->address.ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		memcpy(&v4->sin_addr, bytes, sizeof v4->sin_addr);
	} else {
		memcpy(&v6->sin6_addr, bytes, sizeof v6->sin6_addr);
		v6->sin6_scope_id = scope;
	}
	if (getnameinfo((struct sockaddr *)&out->address, len, out->text, sizeof out->text, NULL, 0,
		    NI_NUMERICHOST) != 0)
		out->text[0] = 0;
}

/* The addresses of one interface. *found: how many it has, -1 where there is no
 * such interface. */
static int add_interface(
	const struct ifaddrs *interfaces, const char *name, struct addresses *list, int *found)
{
	int rc = 0;

	*found = -1;
	for (const struct ifaddrs *at = interfaces; at && rc == 0; at = at->ifa_next) {
		struct bind_address address;

		if (strcmp(at->ifa_name, name) != 0)
			continue;
		if (*found < 0)
			*found = 0;
		if (!at->ifa_addr)
			continue;
		if (at->ifa_addr->sa_family == AF_INET) {
			const struct sockaddr_in *v4 = (const void *)at->ifa_addr;

			address_set(&address, AF_INET, &v4->sin_addr, 0);
		} else if (at->ifa_addr->sa_family == AF_INET6) {
			const struct sockaddr_in6 *v6 = (const void *)at->ifa_addr;

			address_set(&address, AF_INET6, &v6->sin6_addr, v6->sin6_scope_id);
		} else {
			continue;
		}
		(*found)++;
		rc = addresses_add(list, &address);
	}
	return rc;
}

static int refuse(const struct bind_line *line, const struct corefile_token *token, char *err)
{
	const char *names[INTERFACES_MAX + 1] = {NULL};
	char all[256] = "";
	const char *nearest;
	size_t count = 0, len = 0;

	for (const struct ifaddrs *at = line->interfaces; at && count < INTERFACES_MAX;
		at = at->ifa_next) {
		bool known = false;

		for (size_t i = 0; i < count; i++)
			known |= strcmp(names[i], at->ifa_name) == 0;
		if (known)
			continue;
		names[count++] = at->ifa_name;
		if (len < sizeof all)
			len += (size_t)snprintf(all + len, sizeof all - len, " %s", at->ifa_name);
	}
	nearest = corefile_nearest(token->text, names);
	if (nearest)
		return corefile_error(err, token,
			"bind: '%s' is neither an address nor an interface; did you mean '%s'?",
			token->text, nearest);
	return corefile_error(err, token,
		"bind: '%s' is neither an address nor an interface of this host, which has:%s",
		token->text, all);
}

static int add_token(const struct bind_line *line, const struct corefile_token *token,
	struct addresses *list, char *err)
{
	struct value_address value;
	struct bind_address address;
	int found;

	if (value_address(token->text, &value) == 0) {
		address_set(&address, value.family, value.bytes, value.scope);
		return addresses_add(list, &address) < 0 ? option_no_memory(err, token) : 0;
	}
	if (add_interface(line->interfaces, token->text, list, &found) < 0)
		return option_no_memory(err, token);
	if (found < 0)
		return refuse(line, token, err);
	if (found == 0)
		return corefile_error(
			err, token, "bind: the interface '%s' has no address", token->text);
	return 0;
}

static int read_except(void *instance, const struct corefile_line *option, char *err)
{
	struct bind_line *line = instance;
	int rc = 0;

	for (size_t i = 1; i < option->token_count && rc == 0; i++)
		rc = add_token(line, &option->tokens[i], &line->except, err);
	return rc;
}

static const struct option_row bind_options[] = {
	{"except", 1, INTERFACES_MAX, "except ADDRESS...", read_except}, {0}};

static int read_line(const struct corefile_line *line, struct bind_line *out,
	struct addresses *result, char *err)
{
	const struct corefile_token *at = &line->tokens[0];
	size_t left = 0;
	int rc = 0;

	if (line->token_count < 2)
		return corefile_error(err, at, "bind: write 'bind ADDRESS|INTERFACE...'");
	for (size_t i = 1; i < line->token_count && rc == 0; i++)
		rc = add_token(out, &line->tokens[i], &out->wanted, err);
	if (rc == 0)
		rc = option_read(line, bind_options, out, err);
	for (size_t i = 0; i < out->wanted.count && rc == 0; i++) {
		if (addresses_have(&out->except, &out->wanted.items[i]))
			continue;
		left++;
		if (addresses_add(result, &out->wanted.items[i]) < 0)
			rc = option_no_memory(err, at);
	}
	if (rc == 0 && left == 0)
		rc = corefile_error(err, at, "bind: 'except' leaves no address to listen on");
	return rc;
}

static void bind_free(void *instance)
{
	struct addresses *list = instance;

	if (list)
		free(list->items);
	free(list);
}

static int bind_setup(const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	const struct corefile_token *at = &site->lines[0]->tokens[0];
	struct addresses *list = calloc(1, sizeof *list);
	struct ifaddrs *interfaces = NULL;
	int rc = 0;

	if (!list)
		return option_no_memory(err, at);
	if (getifaddrs(&interfaces) < 0) {
		rc = -errno;
		corefile_error(err, at, "bind: cannot list the interfaces: %s", strerror(-rc));
		goto fail;
	}
	for (size_t i = 0; i < site->line_count && rc == 0; i++) {
		struct bind_line line = {.interfaces = interfaces};

		rc = read_line(site->lines[i], &line, list, err);
		free(line.wanted.items);
		free(line.except.items);
	}
	freeifaddrs(interfaces);
	if (rc < 0)
		goto fail;
	*instance = list;
	return 0;
fail:
	bind_free(list);
	return rc;
}

static int bind_listen(
	void *instance, struct listen_address **list, size_t *count, char err[COREFILE_ERROR_MAX])
{
	const struct addresses *own = instance;
	struct listen_address *grown = reallocarray(*list, *count + own->count, sizeof *grown);

	if (!grown) {
		snprintf(err, COREFILE_ERROR_MAX, "bind: out of memory");
		return -ENOMEM;
	}
	*list = grown;
	for (size_t i = 0; i < own->count; i++)
		grown[(*count)++] = (struct listen_address){
			.address = own->items[i].address, .text = own->items[i].text};
	return 0;
}

const struct plugin plugin_bind = {
	.name = "bind",
	.setup = bind_setup,
	.listen = bind_listen,
	.free = bind_free,
};
