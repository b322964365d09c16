/* SPDX-License-Identifier: Apache-2.0 */
#include "server_url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int refuse(char *err, size_t err_len, const char *text, const char *why)
{
	snprintf(err, err_len,
		"'%.200s' is not the URL of an API server: %s; write it as https://10.96.0.1:443",
		text, why);
	return -EINVAL;
}

static bool port_is_valid(const char *text, size_t len)
{
	unsigned long port = 0;

	if (len == 0 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (unsigned long)(text[i] - '0');
	}
	return port > 0 && port <= UINT16_MAX;
}

/* host[:port] or [v6][:port]; NULL, or what is wrong. */
static const char *authority_check(const char *text, size_t len)
{
	const char *end = text + len, *host_end;
	char v6[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (memchr(text, '@', len))
		return "it has a user in it";
	if (len > 0 && text[0] == '[') {
		host_end = memchr(text, ']', len);
		if (!host_end || (size_t)(host_end - text) > sizeof v6)
			return "the IPv6 address is not complete";
		memcpy(v6, text + 1, (size_t)(host_end - text - 1));
		v6[host_end - text - 1] = '\0';
		if (inet_pton(AF_INET6, v6, &address) != 1)
			return "the IPv6 address is wrong";
		host_end++;
	} else {
		host_end = memchr(text, ':', len);
		if (!host_end)
			host_end = end;
		if (host_end == text)
			return "it has no host";
		if (memchr(host_end, ':', (size_t)(end - host_end)) !=
			memrchr(host_end, ':', (size_t)(end - host_end)))
			return "an IPv6 address stands in brackets";
	}
	if (host_end == end)
		return NULL;
	if (*host_end != ':' || !port_is_valid(host_end + 1, (size_t)(end - host_end - 1)))
		return "the port is not a number from 1 to 65535";
	return NULL;
}

int server_url_tidy(const char *text, char **out, char *err, size_t err_len)
{
	const char *scheme = "https://", *rest = text, *why;
	size_t len;

	if (strncasecmp(text, "http://", 7) == 0) {
		scheme = "http://";
		rest += 7;
	} else if (strncasecmp(text, "https://", 8) == 0) {
		rest += 8;
	} else if (strstr(text, "://")) {
		return refuse(err, err_len, text, "only https and http are spoken");
	}
	len = strlen(rest);
	while (len > 0 && rest[len - 1] == '/')
		len--;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)rest[i] <= ' ' || (unsigned char)rest[i] == 0x7f)
			return refuse(err, err_len, text, "it has a space in it");
		if (rest[i] == '?' || rest[i] == '#')
			return refuse(err, err_len, text, "it has a query or fragment");
	}
	why = authority_check(rest, strcspn(rest, "/"));
	if (why)
		return refuse(err, err_len, text, why);
	if (asprintf(out, "%s%.*s", scheme, (int)len, rest) < 0) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

int server_url_make(const char *host, const char *port, char **out, char *err, size_t err_len)
{
	bool bare_v6 = strchr(host, ':') && host[0] != '[';
	char text[300];
	int len = snprintf(text, sizeof text, "https://%s%s%s:%s", bare_v6 ? "[" : "", host,
		bare_v6 ? "]" : "", port);

	if (len >= (int)sizeof text)
		return refuse(err, err_len, host, "it is too long");
	return server_url_tidy(text, out, err, err_len);
}

bool server_url_is_private(const char *url)
{
	const char *host = url + strlen("http://");
	size_t len;
	char text[64];
	struct in_addr v4;

	if (strncasecmp(url, "https://", 8) == 0)
		return true;
	if (strncasecmp(url, "http://", 7) != 0)
		return false;
	if (strncmp(host, "[::1]", 5) == 0)
		return true;
	len = strcspn(host, ":/");
	if (len == 0 || len >= sizeof text)
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	if (inet_pton(AF_INET, text, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	return strcasecmp(text, "localhost") == 0;
}
