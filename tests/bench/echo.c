/* SPDX-License-Identifier: Apache-2.0 */
/* A responder that does nothing: sets QR and sends the packet back, 64 a turn, on
 * one thread. What it costs is what the kernel's UDP path costs; a DNS server can
 * come close to it and no closer.
 *
 *	echo [-a ADDRESS] -p PORT [-w]
 *
 * -w: listen on all addresses of both families with packet information, and reply
 * from the address that was asked, as a server on .:53 must. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH  64
#define PACKET 4096

/* Not a whole number of pages, or the first lines of all would share a cache set. */
static uint8_t packets[BATCH][PACKET + 320];
static struct sockaddr_in6 peers[BATCH];
static struct iovec iov[BATCH];
static struct mmsghdr in[BATCH];
static char control[BATCH][64];

/* -w ignores the address. The one socket of both families tells IPv4 addresses in
 * IPv6's packet information, in their mapped form, and takes them back so. */
static int socket_open(const char *address, uint16_t port, bool wildcard)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	bool is_v4 = !wildcard && inet_pton(AF_INET, address, &v4.sin_addr) == 1;
	int on = 1, off = 0, fd, rc;

	if (!wildcard && !is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (wildcard) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
	}
	rc = is_v4 ? bind(fd, (struct sockaddr *)&v4, sizeof v4)
		   : bind(fd, (struct sockaddr *)&v6, sizeof v6);
	return rc < 0 ? -1 : fd;
}

static void slot_restore(int i, bool wildcard)
{
	struct msghdr *msg = &in[i].msg_hdr;

	msg->msg_name = &peers[i];
	msg->msg_namelen = sizeof peers[i];
	msg->msg_iov = &iov[i];
	msg->msg_iovlen = 1;
	msg->msg_control = wildcard ? control[i] : NULL;
	msg->msg_controllen = wildcard ? sizeof control[i] : 0;
	msg->msg_flags = 0;
	iov[i] = (struct iovec){packets[i], PACKET};
}

static void serve(int fd, bool wildcard)
{
	for (int i = 0; i < BATCH; i++)
		slot_restore(i, wildcard);
	for (;;) {
		int n = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		for (int i = 0; i < n; i++) {
			packets[i][2] |= 0x80;
			iov[i].iov_len = in[i].msg_len;
		}
		/* sendmmsg stops at the first datagram that cannot be sent: that one is left out */
		for (int sent = 0; sent < n;) {
			int rc = sendmmsg(fd, in + sent, (unsigned)(n - sent), 0);

			sent += rc > 0 ? rc : 1;
		}
		for (int i = 0; i < n; i++)
			slot_restore(i, wildcard);
	}
}

int main(int argc, char **argv)
{
	const char *address = "127.0.0.1";
	uint16_t port = 0;
	bool wildcard = false;
	int option, fd;

	while ((option = getopt(argc, argv, "a:p:w")) != -1) {
		if (option == 'a')
			address = optarg;
		else if (option == 'p')
			port = (uint16_t)atoi(optarg);
		else if (option == 'w')
			wildcard = true;
		else
			return 2;
	}
	if (port == 0) {
		fprintf(stderr, "echo: which port? echo [-a ADDRESS] -p PORT [-w]\n");
		return 2;
	}
	fd = socket_open(address, port, wildcard);
	if (fd < 0) {
		perror("echo");
		return 1;
	}
	serve(fd, wildcard);
	perror("echo");
	return 1;
}
