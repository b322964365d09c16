/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_FREE_PORT_H
#define BINNACLE_TESTS_FREE_PORT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* A port of loopback that nobody has for either transport, below those that the kernel gives
 * out by itself: tests beside this one open hundreds of sockets, and get none meanwhile. */
static inline uint16_t free_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	for (;;) {
		int udp = socket(AF_INET, SOCK_DGRAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0);
		uint16_t random = 0;
		bool taken;

		while (getrandom(&random, sizeof random, 0) < 0)
			;
		address.sin_port = htons((uint16_t)(20000 + random % 10000));
		taken = bind(udp, (struct sockaddr *)&address, sizeof address) < 0 ||
			bind(tcp, (struct sockaddr *)&address, sizeof address) < 0;
		close(udp);
		close(tcp);
		if (!taken)
			return ntohs(address.sin_port);
	}
}

#endif
