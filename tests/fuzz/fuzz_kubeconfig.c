/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig as somebody may have been handed one: the first byte chooses
 * whether a context is named, the rest is the file. What is read without an error
 * must be usable as it is, and an error is one line that names the file. */

#include "watch/kubeconfig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* What goes into a header or a URL must not be able to end its line. */
static void check_line(const char *text)
{
	CHECK(!text || !strpbrk(text, "\r\n"));
}

static void check_list(char *const *list)
{
	for (size_t i = 0; list && list[i]; i++)
		CHECK(strlen(list[i]) < 1u << 20);
}

static void check_config(const struct kubeconfig *config)
{
	const char *server = config->server;
	size_t len = server ? strlen(server) : 0;

	CHECK(config->context && server);
	CHECK(!strncmp(server, "https://", 8) || !strncmp(server, "http://", 7));
	CHECK(server[len - 1] != '/');
	check_line(server);
	check_line(config->tls_server_name);
	check_line(config->token);
	CHECK(!config->ca_file || !config->ca_pem);
	CHECK(!config->cert_file || !config->cert_pem);
	CHECK(!config->key_file || !config->key_pem);
	CHECK((config->cert_file || config->cert_pem) == (config->key_file || config->key_pem));
	for (size_t i = 0; config->headers && config->headers[i]; i++) {
		check_line(config->headers[i]);
		CHECK(strchr(config->headers[i], ':'));
	}
	if (config->has_exec) {
		CHECK(config->exec.command && config->exec.api_version && config->exec.info);
		check_list(config->exec.args);
		check_list(config->exec.env);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kubeconfig *config = NULL;
	char path[64], err[512] = "";
	int fd, rc;

	if (size < 1)
		return 0;
	fd = memfd_create("kubeconfig", MFD_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	rc = kubeconfig_read(path, data[0] & 1 ? "prod" : NULL, &config, err, sizeof err);
	close(fd);
	CHECK((rc == 0) == (config != NULL));
	CHECK(memchr(err, '\0', sizeof err));
	if (rc == 0) {
		check_config(config);
	} else {
		CHECK(rc == -EINVAL || rc == -ENOENT || rc == -EFBIG);
		CHECK(err[0] && !strchr(err, '\n'));
	}
	kubeconfig_free(config);
	return 0;
}
