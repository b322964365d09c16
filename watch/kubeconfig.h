/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_KUBECONFIG_H
#define BINNACLE_WATCH_KUBECONFIG_H

/* A kubeconfig, reduced to one context: where the API server is and as whom to
 * speak to it. Follows client-go: of several files the first that has an entry
 * wins, relative paths are relative to their file, inline data wins over files,
 * tokenFile over token. The files that it names are not read here (access.c
 * does, again and again); a later change of the kubeconfig is not followed.
 * Any thread.
 */

#include "exec.h"

/* All strings are owned; NULL: not given. */
struct kubeconfig {
	char *context; /* its name, for messages */
	char *server;  /* "https://host:port", no trailing slash */
	char *tls_server_name, *proxy_url;
	bool insecure, disable_compression;
	char *ca_file, *ca_pem; /* at most one of the two; so below */
	char *cert_file, *cert_pem;
	char *key_file, *key_pem;
	char *token, *token_file;
	char **headers; /* NULL-terminated: Basic authorization, impersonation */
	bool basic;     /* headers holds an Authorization */
	bool has_exec;
	struct exec_config exec;
};

/* path: a file, or several with ':' between (those that do not exist are then
 * passed over). context NULL: current-context. 0, or -ENOENT, -EINVAL, -ENOMEM
 * ... with a message that names the file and, where it is known, the line. */
int kubeconfig_read(
	const char *path, const char *context, struct kubeconfig **out, char *err, size_t err_len);

void kubeconfig_free(struct kubeconfig *config);

#endif
