/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_NET_SOCKET_H
#define BINNACLE_DNS_NET_SOCKET_H

/* Addresses and bound sockets, as all listeners need them.
 *
 * SO_REUSEPORT lets any process of the same user share a port without a word,
 * so that a second server would silently take half of the questions. A port in
 * use must be an error: the address is first bound by a socket without the
 * option, and only then by the sockets that share it.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

union address { /* AF_INET or AF_INET6 */
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Bind `count` sockets to the address (their order is that of the kernel's
 * reuseport group) and write them to fds. type: SOCK_DGRAM or SOCK_STREAM, may
 * have SOCK_NONBLOCK. Port 0: one port the kernel chooses, the same for all.
 * dual: an AF_INET6 any-address takes IPv4 too; all other IPv6 sockets do not.
 *
 * A wildcard and a specific address may be bound to one port by this process
 * (two server blocks); the same address twice is -EADDRINUSE.
 * 0, or a negative errno and nothing left open. */
int socket_bind(const struct sockaddr *address, int dual, int type, int *fds, unsigned count);

/* The address that a socket is bound to. 0 or a negative errno. */
int socket_local(int fd, union address *out);

bool address_is_any(const union address *address);
uint16_t address_port(const union address *address);
/* An IPv4-mapped IPv6 address becomes AF_INET; any other stays as it is. */
void address_unmap(union address *address);

#endif
