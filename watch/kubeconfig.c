/* SPDX-License-Identifier: Apache-2.0 */
#include "kubeconfig.h"

#include "kubeconfig_entry.h"
#include "kubeconfig_user.h"
#include "pem.h"
#include "server_url.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cJSON *get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* The context asked for, or the first current-context that a file names. */
static int context_choose(struct kubeconfig_files *files, const char *wanted, struct entry *out)
{
	char names[256];

	for (size_t i = 0; !wanted && i < files->count; i++) {
		const cJSON *current = get(files->files[i].tree, "current-context");

		if (cJSON_IsString(current) && current->valuestring[0])
			wanted = current->valuestring;
	}
	if (wanted)
		return entry_find(files, "contexts", "context", wanted, out);
	entry_names(files, "contexts", names, sizeof names);
	kubeconfig_say(files, "%s: it has no current-context; name one of its contexts: %s",
		files->files[0].path, names);
	return -EINVAL;
}

static int server_read(const struct entry *cluster, struct kubeconfig *out)
{
	char *text = NULL;
	char why[320];
	int rc = entry_string(cluster, "server", &text);

	if (rc < 0)
		return rc;
	if (!text)
		return entry_refuse(cluster, NULL, "it has no server");
	rc = server_url_tidy(text, &out->server, why, sizeof why);
	free(text);
	if (rc == -EINVAL)
		return entry_refuse(cluster, get(cluster->body, "server"), "%s", why);
	return rc < 0 ? entry_no_memory(cluster) : 0;
}

static int cluster_read(const struct entry *cluster, struct kubeconfig *out)
{
	int rc = server_read(cluster, out);

	if (rc == 0)
		rc = entry_string(cluster, "tls-server-name", &out->tls_server_name);
	if (rc == 0)
		rc = entry_string(cluster, "proxy-url", &out->proxy_url);
	if (rc == 0)
		rc = entry_bool(cluster, "insecure-skip-tls-verify", &out->insecure);
	if (rc == 0)
		rc = entry_bool(cluster, "disable-compression", &out->disable_compression);
	if (rc == 0)
		rc = entry_data(cluster, "certificate-authority-data", &out->ca_pem);
	if (rc == 0 && !out->ca_pem)
		rc = entry_path(cluster, "certificate-authority", &out->ca_file);
	if (rc < 0)
		return rc;
	if (out->ca_pem && !pem_has_certificate(out->ca_pem, strlen(out->ca_pem)))
		return entry_refuse(cluster, get(cluster->body, "certificate-authority-data"),
			"certificate-authority-data holds no certificate");
	if (out->insecure && (out->ca_pem || out->ca_file))
		return entry_refuse(cluster, NULL,
			"it has both insecure-skip-tls-verify and a certificate-authority; take "
			"out "
			"the former");
	return 0;
}

static int context_read(struct kubeconfig_files *files, const char *wanted, struct kubeconfig *out)
{
	struct entry context, cluster, user;
	char *cluster_name = NULL, *user_name = NULL;
	int rc = context_choose(files, wanted, &context);

	if (rc < 0)
		return rc;
	out->context = strdup(context.name);
	rc = out->context ? entry_string(&context, "cluster", &cluster_name) : -ENOMEM;
	if (rc == 0)
		rc = entry_string(&context, "user", &user_name);
	if (rc == 0 && !cluster_name)
		rc = entry_refuse(&context, NULL, "it names no cluster");
	if (rc == 0)
		rc = entry_find(files, "clusters", "cluster", cluster_name, &cluster);
	if (rc == 0)
		rc = cluster_read(&cluster, out);
	/* No user: anonymous, as for client-go. */
	if (rc == 0 && user_name)
		rc = entry_find(files, "users", "user", user_name, &user);
	if (rc == 0 && user_name)
		rc = kubeconfig_user_read(&user, &cluster, out);
	free(cluster_name);
	free(user_name);
	return rc;
}

int kubeconfig_read(
	const char *path, const char *context, struct kubeconfig **out, char *err, size_t err_len)
{
	struct kubeconfig_files files;
	struct kubeconfig *config = calloc(1, sizeof *config);
	int rc;

	snprintf(err, err_len, "out of memory");
	if (!config)
		return -ENOMEM;
	rc = kubeconfig_files_read(path, &files, err, err_len);
	if (rc == 0)
		rc = context_read(&files, context && context[0] ? context : NULL, config);
	kubeconfig_files_clear(&files);
	if (rc < 0) {
		kubeconfig_free(config);
		return rc;
	}
	*out = config;
	return 0;
}

static void strings_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

/* Wiped, so that a key does not linger in freed memory. */
static void secret_free(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void kubeconfig_free(struct kubeconfig *config)
{
	if (!config)
		return;
	free(config->context);
	free(config->server);
	free(config->tls_server_name);
	free(config->proxy_url);
	free(config->ca_file);
	free(config->ca_pem);
	free(config->cert_file);
	free(config->cert_pem);
	free(config->key_file);
	secret_free(config->key_pem);
	secret_free(config->token);
	free(config->token_file);
	strings_free(config->headers);
	free(config->exec.command);
	strings_free(config->exec.args);
	strings_free(config->exec.env);
	free(config->exec.api_version);
	free(config->exec.info);
	free(config->exec.install_hint);
	free(config);
}
