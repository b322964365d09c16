/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void answer_add(struct answer *answer, const char *format, ...)
{
	char item[1200];
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(item, sizeof item, format, arguments);
	va_end(arguments);
	if (len > 0 && item[len - 1] == '.')
		len--;
	if (len <= 0 || (size_t)len >= sizeof item ||
		answer->len + (size_t)len + 2 > sizeof answer->text)
		return;
	answer->text[answer->len++] = ' ';
	memcpy(answer->text + answer->len, item, (size_t)len);
	answer->len += (size_t)len;
	answer->text[answer->len] = '\0';
}

void answer_add_sockaddr(struct answer *answer, const struct sockaddr *address)
{
	char text[INET6_ADDRSTRLEN];
	const void *bytes;

	if (address->sa_family == AF_INET)
		bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
	else if (address->sa_family == AF_INET6)
		bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	else
		return;
	if (inet_ntop(address->sa_family, bytes, text, sizeof text))
		answer_add(answer, "%s", text);
}

socklen_t address_parse(const char *text, struct sockaddr_storage *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;

	memset(address, 0, sizeof *address);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		address->ss_family = AF_INET;
		return sizeof *v4;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		address->ss_family = AF_INET6;
		return sizeof *v6;
	}
	return 0;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}

static void serve(const struct operation *operations, void *context, const char *word,
	const char *name, struct answer *answer)
{
	const struct operation *operation = operations;
	const char *status = "unknown";
	const long start_ms = now_ms();

	answer->len = 0;
	answer->text[0] = '\0';
	while (operation->name && strcmp(operation->name, word) != 0)
		operation++;
	if (operation->name)
		status = operation->run(context, name, answer);
	printf("%ld ", now_ms() - start_ms);
	for (; *status; status++)
		putchar(*status == ' ' ? '_' : *status);
	printf("%s\n", answer->text);
	fflush(stdout);
}

int lines_serve(const struct operation *operations, void *context)
{
	struct answer answer;
	char line[512], word[32], name[300];

	while (fgets(line, sizeof line, stdin)) {
		if (sscanf(line, "%31s %299s", word, name) != 2) {
			fprintf(stderr, "not a question: %s", line);
			return 2;
		}
		serve(operations, context, word, name, &answer);
	}
	return 0;
}
