/* SPDX-License-Identifier: Apache-2.0 */
#include "socket.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often the kernel may choose a port that is taken before we bind it again. */
#define PORT_TRIES 16

static socklen_t address_len(const union address *address)
{
	return address->sa.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

bool address_is_any(const union address *address)
{
	if (address->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
	return address->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

uint16_t address_port(const union address *address)
{
	return ntohs(
		address->sa.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port);
}

void address_unmap(union address *address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};

	if (address->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
		return;
	v4.sin_port = address->v6.sin6_port;
	memcpy(&v4.sin_addr, &address->v6.sin6_addr.s6_addr[12], sizeof v4.sin_addr);
	address->v4 = v4;
}

static void address_set_port(union address *address, uint16_t port)
{
	if (address->sa.sa_family == AF_INET6)
		address->v6.sin6_port = htons(port);
	else
		address->v4.sin_port = htons(port);
}

static bool address_equal(const union address *a, const union address *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
	       memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0;
}

int socket_local(int fd, union address *out)
{
	union address address = {0};
	socklen_t len = sizeof address;

	if (getsockname(fd, &address.sa, &len) < 0)
		return -errno;
	*out = address;
	return 0;
}

static int option_set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

static int option_get(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof value;

	return getsockopt(fd, level, name, &value, &len) < 0 ? -1 : value;
}

/* A socket bound to the address; share says whether others may bind it too.
 * A TCP port is free although connections of an earlier listener are still in
 * TIME_WAIT: that is what SO_REUSEADDR means there (for UDP it would mean
 * sharing, so it is left off). */
static int bind_one(const union address *address, int dual, int type, int share)
{
	int fd = socket(address->sa.sa_family, type | SOCK_CLOEXEC, 0);
	int v6only = !(dual && address_is_any(address));
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (address->sa.sa_family == AF_INET6)
		rc = option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only);
	if (rc == 0 && (type & ~SOCK_NONBLOCK) == SOCK_STREAM)
		rc = option_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (rc == 0 && share)
		rc = option_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (rc == 0 && bind(fd, &address->sa, address_len(address)) < 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

enum relation { RELATION_NONE, RELATION_OVERLAPS, RELATION_EQUAL };

/* Of a descriptor of ours, whatever it is, to the address. */
static enum relation fd_relation(int fd, const union address *address, int type)
{
	union address bound;

	if (option_get(fd, SOL_SOCKET, SO_TYPE) != type ||
		option_get(fd, SOL_SOCKET, SO_REUSEPORT) != 1 || socket_local(fd, &bound) < 0 ||
		(bound.sa.sa_family != AF_INET && bound.sa.sa_family != AF_INET6) ||
		address_port(&bound) != address_port(address))
		return RELATION_NONE;
	if (address_equal(&bound, address))
		return RELATION_EQUAL;
	return address_is_any(&bound) || address_is_any(address) ? RELATION_OVERLAPS
								 : RELATION_NONE;
}

/* Is the port held by a listener of this very process on an overlapping address,
 * not on the same? The kernel has no question for it, so our own descriptors are
 * asked. */
static bool process_overlaps(const union address *address, int type)
{
	DIR *dir = opendir("/proc/self/fd");
	enum relation found = RELATION_NONE;
	const struct dirent *entry;

	if (!dir)
		return false;
	while (found != RELATION_EQUAL && (entry = readdir(dir))) {
		enum relation relation;
		char *end;
		long fd = strtol(entry->d_name, &end, 10);

		if (*end != '\0' || end == entry->d_name)
			continue;
		relation = fd_relation((int)fd, address, type);
		if (relation != RELATION_NONE)
			found = relation;
	}
	closedir(dir);
	return found == RELATION_OVERLAPS;
}

/* Fails if anybody else has the address; fills in the port if it was 0. */
static int address_probe(union address *address, int dual, int type)
{
	union address bound;
	int fd = bind_one(address, dual, type, 0);
	int rc;

	if (fd == -EADDRINUSE && process_overlaps(address, type & ~SOCK_NONBLOCK))
		return 0;
	if (fd < 0)
		return fd;
	rc = socket_local(fd, &bound);
	close(fd);
	if (rc == 0)
		address_set_port(address, address_port(&bound));
	return rc;
}

static int bind_group(const union address *address, int dual, int type, int *fds, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		fds[i] = bind_one(address, dual, type, 1);
		if (fds[i] < 0)
			break;
	}
	if (i == count)
		return 0;
	for (unsigned k = 0; k < i; k++)
		close(fds[k]);
	return fds[i];
}

int socket_bind(const struct sockaddr *address, int dual, int type, int *fds, unsigned count)
{
	union address wanted = {0};
	int rc = -EADDRINUSE;
	int tries;

	if (address->sa_family == AF_INET)
		memcpy(&wanted.v4, address, sizeof wanted.v4);
	else if (address->sa_family == AF_INET6)
		memcpy(&wanted.v6, address, sizeof wanted.v6);
	else
		return -EAFNOSUPPORT;
	tries = address_port(&wanted) ? 1 : PORT_TRIES;
	for (int i = 0; i < tries && rc == -EADDRINUSE; i++) {
		union address chosen = wanted;

		rc = address_probe(&chosen, dual, type);
		if (rc == 0)
			rc = bind_group(&chosen, dual, type, fds, count);
	}
	return rc;
}
