/* SPDX-License-Identifier: Apache-2.0 */
#include "kubeconfig_user.h"

#include "file.h"
#include "pem.h"
#include "yaml_tree.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREDENTIAL_V1      "client.authentication.k8s.io/v1"
#define CREDENTIAL_V1BETA1 "client.authentication.k8s.io/v1beta1"

static const cJSON *get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* ---- headers ---- */

static int header_add(
	const struct entry *user, struct kubeconfig *out, const char *name, const char *value)
{
	size_t count = 0;
	char **grown;

	/* A line break would smuggle in a header of its own (RFC 9110 section 5.5). */
	for (const char *at = value; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return entry_refuse(
				user, NULL, "the value for %.100s has a control character", name);
	}
	while (out->headers && out->headers[count])
		count++;
	grown = reallocarray(out->headers, count + 2, sizeof *grown);
	if (!grown)
		return entry_no_memory(user);
	out->headers = grown;
	grown[count] = NULL;
	if (asprintf(&grown[count], "%s: %s", name, value) < 0) {
		grown[count] = NULL;
		return entry_no_memory(user);
	}
	grown[count + 1] = NULL;
	return 0;
}

/* RFC 9110 section 5.6.2; '%' is escaped too, as client-go does. */
static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$&'*+-.^_`|~", c));
}

static int extra_header_add(
	const struct entry *user, struct kubeconfig *out, const cJSON *key, const cJSON *value)
{
	static const char prefix[] = "Impersonate-Extra-";
	char *name, *to;
	int rc;

	if (!cJSON_IsString(value))
		return entry_refuse(user, key, "as-user-extra must hold lists of texts");
	name = malloc(sizeof prefix + 3 * strlen(key->string));
	if (!name)
		return entry_no_memory(user);
	to = stpcpy(name, prefix);
	for (const char *at = key->string; *at; at++) {
		if (is_token_char(*at))
			*to++ = *at;
		else
			to += sprintf(to, "%%%02X", (unsigned)(unsigned char)*at);
	}
	*to = '\0';
	rc = header_add(user, out, name, value->valuestring);
	free(name);
	return rc;
}

static int extras_read(const struct entry *user, struct kubeconfig *out)
{
	const cJSON *extras = get(user->body, "as-user-extra"), *key, *value;
	int rc = 0;

	if (extras && !cJSON_IsNull(extras) && !cJSON_IsObject(extras))
		return entry_refuse(user, extras, "as-user-extra must be a mapping");
	cJSON_ArrayForEach (key, extras) {
		if (!cJSON_IsArray(key))
			return entry_refuse(user, key, "as-user-extra must hold lists of texts");
		cJSON_ArrayForEach (value, key) {
			rc = extra_header_add(user, out, key, value);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static void strings_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

static int impersonation_read(const struct entry *user, struct kubeconfig *out)
{
	char *as = NULL, *uid = NULL, **groups = NULL;
	int rc = entry_string(user, "as", &as);

	if (rc == 0)
		rc = entry_string(user, "as-uid", &uid);
	if (rc == 0)
		rc = entry_strings(user, "as-groups", &groups);
	if (rc == 0 && !as &&
		(uid || (groups && groups[0]) ||
			cJSON_GetArraySize(get(user->body, "as-user-extra")) > 0))
		rc = entry_refuse(user, NULL, "as-uid, as-groups and as-user-extra need 'as'");
	if (rc == 0 && as)
		rc = header_add(user, out, "Impersonate-User", as);
	if (rc == 0 && uid)
		rc = header_add(user, out, "Impersonate-Uid", uid);
	for (size_t i = 0; rc == 0 && groups && groups[i]; i++)
		rc = header_add(user, out, "Impersonate-Group", groups[i]);
	if (rc == 0)
		rc = extras_read(user, out);
	free(as);
	free(uid);
	strings_free(groups);
	return rc;
}

static int basic_read(const struct entry *user, struct kubeconfig *out)
{
	char *name = NULL, *password = NULL, *pair = NULL, *text = NULL, *value = NULL;
	int rc = entry_string(user, "username", &name);
	int len;

	if (rc == 0)
		rc = entry_string(user, "password", &password);
	if (rc < 0 || (!name && !password))
		goto out;
	if (out->token || out->token_file) {
		rc = entry_refuse(user, NULL, "has both a token and username/password; keep one");
		goto out;
	}
	len = asprintf(&pair, "%s:%s", name ? name : "", password ? password : "");
	if (len < 0) {
		pair = NULL;
		rc = entry_no_memory(user);
		goto out;
	}
	text = base64_encode(pair, (size_t)len);
	if (!text || asprintf(&value, "Basic %s", text) < 0) {
		value = NULL;
		rc = entry_no_memory(user);
		goto out;
	}
	rc = header_add(user, out, "Authorization", value);
	out->basic = rc == 0;
out:
	free(name);
	free(password);
	free(pair);
	free(text);
	free(value);
	return rc;
}

/* ---- the credential plugin ---- */

/* What KUBERNETES_EXEC_INFO tells about the cluster (API type Cluster of
 * client.authentication.k8s.io). */
static bool cluster_info_add(
	cJSON *spec, const struct entry *cluster, const struct kubeconfig *config)
{
	cJSON *info = cJSON_AddObjectToObject(spec, "cluster");
	const cJSON *extension;
	char *ca;
	bool ok = info && cJSON_AddStringToObject(info, "server", config->server);

	if (ok && config->tls_server_name)
		ok = cJSON_AddStringToObject(info, "tls-server-name", config->tls_server_name);
	if (ok && config->insecure)
		ok = cJSON_AddTrueToObject(info, "insecure-skip-tls-verify");
	if (ok && config->proxy_url)
		ok = cJSON_AddStringToObject(info, "proxy-url", config->proxy_url);
	if (ok && config->disable_compression)
		ok = cJSON_AddTrueToObject(info, "disable-compression");
	if (ok && config->ca_pem) {
		ca = base64_encode(config->ca_pem, strlen(config->ca_pem));
		ok = ca && cJSON_AddStringToObject(info, "certificate-authority-data", ca);
		free(ca);
	}
	cJSON_ArrayForEach (extension, get(cluster->body, "extensions")) {
		const cJSON *name = get(extension, "name"), *body = get(extension, "extension");

		/* A reference: the kubeconfig's tree outlives this one. */
		if (ok && body && cJSON_IsString(name) &&
			strcmp(name->valuestring, "client.authentication.k8s.io/exec") == 0)
			ok = cJSON_AddItemReferenceToObject(
				info, "config", (cJSON *)(uintptr_t)body);
	}
	return ok;
}

static int info_make(const struct entry *exec, const struct entry *cluster, bool with_cluster,
	struct kubeconfig *out)
{
	cJSON *info = cJSON_CreateObject();
	cJSON *spec;
	char *text = NULL;
	bool ok = info && cJSON_AddStringToObject(info, "kind", "ExecCredential") &&
		  cJSON_AddStringToObject(info, "apiVersion", out->exec.api_version);

	spec = ok ? cJSON_AddObjectToObject(info, "spec") : NULL;
	ok = spec && cJSON_AddFalseToObject(spec, "interactive");
	if (ok && with_cluster)
		ok = cluster_info_add(spec, cluster, out);
	if (ok)
		text = cJSON_PrintUnformatted(info);
	cJSON_Delete(info);
	if (!text)
		return entry_no_memory(exec);
	out->exec.info = strdup(text);
	cJSON_free(text);
	return out->exec.info ? 0 : entry_no_memory(exec);
}

static int env_read(const struct entry *exec, struct exec_config *out)
{
	const cJSON *list = get(exec->body, "env"), *item;
	size_t count = 0;

	if (!list || cJSON_IsNull(list))
		return 0;
	if (!cJSON_IsArray(list))
		return entry_refuse(exec, list, "exec: env must be a list");
	out->env = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *out->env);
	if (!out->env)
		return entry_no_memory(exec);
	cJSON_ArrayForEach (item, list) {
		const cJSON *name = get(item, "name"), *value = get(item, "value");

		if (!cJSON_IsString(name) || !name->valuestring[0] ||
			strchr(name->valuestring, '='))
			return entry_refuse(exec, item, "exec: an entry of env has no usable name");
		if (value && !cJSON_IsString(value))
			return entry_refuse(exec, item, "exec: the value of %.100s must be a text",
				name->valuestring);
		if (asprintf(&out->env[count], "%s=%s", name->valuestring,
			    value ? value->valuestring : "") < 0) {
			out->env[count] = NULL;
			return entry_no_memory(exec);
		}
		count++;
	}
	return 0;
}

static int version_check(const struct entry *exec, const char *version)
{
	if (!version)
		return entry_refuse(exec, NULL, "exec: it has no apiVersion; write " CREDENTIAL_V1);
	if (strcmp(version, CREDENTIAL_V1) == 0 || strcmp(version, CREDENTIAL_V1BETA1) == 0)
		return 0;
	return entry_refuse(exec, get(exec->body, "apiVersion"),
		"exec: apiVersion %.100s is not spoken; update the plugin and write " CREDENTIAL_V1,
		version);
}

static int mode_check(const struct entry *exec)
{
	const cJSON *mode = get(exec->body, "interactiveMode");

	if (cJSON_IsString(mode) && strcmp(mode->valuestring, "Always") == 0)
		return entry_refuse(exec, mode,
			"exec: interactiveMode Always needs a terminal, which a server has not");
	return 0;
}

/* A name with a slash is relative to the kubeconfig, any other is for PATH. */
static int command_read(const struct entry *exec, struct exec_config *out)
{
	char *command = NULL;
	int rc = entry_string(exec, "command", &command);

	if (rc < 0)
		return rc;
	if (!command)
		return entry_refuse(exec, NULL, "exec: it has no command");
	if (!strchr(command, '/')) {
		out->command = command;
		return 0;
	}
	out->command = file_beside(exec->file->path, command);
	free(command);
	return out->command ? 0 : entry_no_memory(exec);
}

static int exec_read(const struct entry *user, const struct entry *cluster, struct kubeconfig *out)
{
	struct entry exec = *user;
	bool with_cluster = false;
	int rc;

	exec.body = get(user->body, "exec");
	if (!exec.body || cJSON_IsNull(exec.body))
		return 0;
	if (!cJSON_IsObject(exec.body))
		return entry_refuse(user, exec.body, "exec must be a mapping");
	rc = command_read(&exec, &out->exec);
	if (rc == 0)
		rc = entry_string(&exec, "apiVersion", &out->exec.api_version);
	if (rc == 0)
		rc = version_check(&exec, out->exec.api_version);
	if (rc == 0)
		rc = mode_check(&exec);
	if (rc == 0)
		rc = entry_strings(&exec, "args", &out->exec.args);
	if (rc == 0)
		rc = env_read(&exec, &out->exec);
	if (rc == 0)
		rc = entry_string(&exec, "installHint", &out->exec.install_hint);
	if (rc == 0)
		rc = entry_bool(&exec, "provideClusterInfo", &with_cluster);
	if (rc == 0)
		rc = info_make(&exec, cluster, with_cluster, out);
	out->has_exec = rc == 0;
	return rc;
}

/* ---- certificates and tokens ---- */

static int certificates_read(const struct entry *user, struct kubeconfig *out)
{
	int rc = entry_data(user, "client-certificate-data", &out->cert_pem);

	if (rc == 0)
		rc = entry_data(user, "client-key-data", &out->key_pem);
	if (rc == 0 && !out->cert_pem)
		rc = entry_path(user, "client-certificate", &out->cert_file);
	if (rc == 0 && !out->key_pem)
		rc = entry_path(user, "client-key", &out->key_file);
	if (rc < 0)
		return rc;
	if ((out->cert_pem || out->cert_file) != (out->key_pem || out->key_file))
		return entry_refuse(
			user, NULL, "has only one of client certificate and client key");
	if (out->cert_pem && !pem_has_certificate(out->cert_pem, strlen(out->cert_pem)))
		return entry_refuse(user, get(user->body, "client-certificate-data"),
			"client-certificate-data holds no certificate");
	if (out->key_pem && pem_find_key(out->key_pem, strlen(out->key_pem)) != PEM_KEY_PLAIN)
		return entry_refuse(user, get(user->body, "client-key-data"),
			"client-key-data holds no private key that can be used without a "
			"passphrase");
	return 0;
}

int kubeconfig_user_read(
	const struct entry *user, const struct entry *cluster, struct kubeconfig *out)
{
	const cJSON *provider = get(user->body, "auth-provider");
	int rc;

	if (provider && !cJSON_IsNull(provider))
		return entry_refuse(user, provider,
			"auth-provider is gone from Kubernetes; use an exec plugin "
			"(gke-gcloud-auth-plugin, kubelogin), or a token");
	rc = certificates_read(user, out);
	if (rc == 0)
		rc = entry_path(user, "tokenFile", &out->token_file);
	if (rc == 0 && !out->token_file)
		rc = entry_string(user, "token", &out->token);
	if (rc == 0 && out->token && !token_is_clean(out->token))
		rc = entry_refuse(user, get(user->body, "token"),
			"the token has spaces or control characters in it");
	if (rc == 0)
		rc = basic_read(user, out);
	if (rc == 0)
		rc = impersonation_read(user, out);
	if (rc == 0)
		rc = exec_read(user, cluster, out);
	return rc;
}
