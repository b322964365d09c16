/* SPDX-License-Identifier: Apache-2.0 */
#include "credential.h"

#include "pem.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Exactly `count` digits. */
static int digits_read(const char **at, int count, int *out)
{
	int value = 0;

	for (int i = 0; i < count; i++) {
		char c = (*at)[i];

		if (c < '0' || c > '9')
			return -EINVAL;
		value = value * 10 + (c - '0');
	}
	*at += count;
	*out = value;
	return 0;
}

static int char_read(const char **at, const char *one_of)
{
	if (!**at || !strchr(one_of, **at))
		return -EINVAL;
	(*at)++;
	return 0;
}

static int zone_read(const char **at, int *out_s)
{
	int hours = 0, minutes = 0;
	int sign = **at == '-' ? -1 : 1;

	if (char_read(at, "Zz") == 0) {
		*out_s = 0;
		return 0;
	}
	if (char_read(at, "+-") < 0 || digits_read(at, 2, &hours) < 0 || char_read(at, ":") < 0 ||
		digits_read(at, 2, &minutes) < 0 || hours > 23 || minutes > 59)
		return -EINVAL;
	*out_s = sign * (hours * 3600 + minutes * 60);
	return 0;
}

int credential_time_parse(const char *text, int64_t *out_s)
{
	struct tm tm = {0};
	int year = 0, month = 0, zone_s = 0, none;
	const char *at = text;

	if (digits_read(&at, 4, &year) < 0 || char_read(&at, "-") < 0 ||
		digits_read(&at, 2, &month) < 0 || char_read(&at, "-") < 0 ||
		digits_read(&at, 2, &tm.tm_mday) < 0 || char_read(&at, "Tt ") < 0 ||
		digits_read(&at, 2, &tm.tm_hour) < 0 || char_read(&at, ":") < 0 ||
		digits_read(&at, 2, &tm.tm_min) < 0 || char_read(&at, ":") < 0 ||
		digits_read(&at, 2, &tm.tm_sec) < 0)
		return -EINVAL;
	if (char_read(&at, ".") == 0) {
		if (digits_read(&at, 1, &none) < 0)
			return -EINVAL;
		at += strspn(at, "0123456789");
	}
	if (zone_read(&at, &zone_s) < 0 || *at)
		return -EINVAL;
	if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
		tm.tm_min > 59 || tm.tm_sec > 60)
		return -EINVAL;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	*out_s = (int64_t)timegm(&tm) - zone_s;
	return 0;
}

void credential_clear(struct credential *credential)
{
	free(credential->token);
	free(credential->cert_pem);
	free(credential->key_pem);
	*credential = (struct credential){0};
}

static const char *string_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(item) && item->valuestring[0] ? item->valuestring : NULL;
}

static int refuse(char *err, size_t err_len, const char *text)
{
	snprintf(err, err_len, "%s", text);
	return -EINVAL;
}

static int header_check(const cJSON *root, const char *api_version, char *err, size_t err_len)
{
	const char *kind = string_of(root, "kind"), *version = string_of(root, "apiVersion");

	if (!cJSON_IsObject(root))
		return refuse(err, err_len, "it did not print JSON");
	if (!kind || strcmp(kind, "ExecCredential") != 0)
		return refuse(err, err_len, "it did not print an ExecCredential");
	if (!version || strcmp(version, api_version) != 0) {
		snprintf(err, err_len, "it printed apiVersion %.60s, the kubeconfig asks for %.60s",
			version ? version : "(none)", api_version);
		return -EINVAL;
	}
	return 0;
}

bool token_is_clean(const char *token)
{
	for (const char *at = token; *at; at++) {
		if ((unsigned char)*at <= ' ' || (unsigned char)*at > '~')
			return false;
	}
	return true;
}

static int copy_to(char **to, const char *from)
{
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

static int status_read(const cJSON *status, struct credential *out, char *err, size_t err_len)
{
	const char *token = string_of(status, "token");
	const char *cert = string_of(status, "clientCertificateData");
	const char *key = string_of(status, "clientKeyData");
	const char *expiry = string_of(status, "expirationTimestamp");

	if (!token && !cert)
		return refuse(err, err_len,
			"its answer has neither status.token nor status.clientCertificateData");
	if (token && !token_is_clean(token))
		return refuse(
			err, err_len, "its status.token has spaces or control characters in it");
	if (!cert != !key)
		return refuse(err, err_len,
			"its answer has only one of clientCertificateData and clientKeyData");
	if (cert && !pem_has_certificate(cert, strlen(cert)))
		return refuse(err, err_len, "its clientCertificateData holds no certificate");
	if (key && pem_find_key(key, strlen(key)) != PEM_KEY_PLAIN)
		return refuse(err, err_len, "its clientKeyData holds no usable private key");
	if (expiry && credential_time_parse(expiry, &out->expiry_s) < 0)
		return refuse(err, err_len, "its expirationTimestamp is not an RFC 3339 time");
	out->expires = expiry != NULL;
	if (copy_to(&out->token, token) < 0 || copy_to(&out->cert_pem, cert) < 0 ||
		copy_to(&out->key_pem, key) < 0) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

int credential_parse(const char *text, size_t len, const char *api_version, struct credential *out,
	char *err, size_t err_len)
{
	cJSON *root = cJSON_ParseWithLength(text, len);
	struct credential credential = {0};
	int rc = header_check(root, api_version, err, err_len);

	if (rc == 0)
		rc = status_read(cJSON_GetObjectItemCaseSensitive(root, "status"), &credential, err,
			err_len);
	cJSON_Delete(root);
	if (rc < 0)
		credential_clear(&credential);
	else
		*out = credential;
	return rc;
}
