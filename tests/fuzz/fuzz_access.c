/* SPDX-License-Identifier: Apache-2.0 */
/* The small texts on the way to an API server. The first byte chooses: what a
 * credential plugin prints, a time, a URL, a label selector, PEM, base64. */

#include "watch/credential.h"
#include "watch/pem.h"
#include "watch/selector.h"
#include "watch/server_url.h"

#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void try_credential(const char *text, size_t len)
{
	static const char version[] = "client.authentication.k8s.io/v1";
	struct credential credential = {0};
	char err[256] = "";
	int rc = credential_parse(text, len, version, &credential, err, sizeof err);

	CHECK(memchr(err, '\0', sizeof err));
	if (rc < 0) {
		CHECK(err[0]);
		return;
	}
	CHECK(credential.token || credential.cert_pem);
	CHECK(!credential.cert_pem == !credential.key_pem);
	/* it goes into a header */
	CHECK(!credential.token || !strpbrk(credential.token, "\r\n"));
	credential_clear(&credential);
}

static void try_time(const char *text, size_t len)
{
	int64_t seconds = 0;

	(void)len;
	if (credential_time_parse(text, &seconds) == 0)
		CHECK(seconds > -100000000000 && seconds < 1000000000000);
}

static void try_url(const char *text, size_t len)
{
	char err[256] = "", *url = NULL, *again = NULL;

	(void)len;
	if (server_url_tidy(text, &url, err, sizeof err) < 0) {
		CHECK(err[0] && !url);
		return;
	}
	CHECK(!strncmp(url, "https://", 8) || !strncmp(url, "http://", 7));
	CHECK(!strpbrk(url, "\r\n ?#"));
	/* tidy is tidy */
	CHECK(server_url_tidy(url, &again, err, sizeof err) == 0 && !strcmp(url, again));
	CHECK(server_url_is_private(url) || !strncmp(url, "http://", 7));
	free(url);
	free(again);
}

static const char *label_none(void *user, const char *key)
{
	(void)user;
	return *key == 'a' ? "1" : NULL;
}

static void try_selector(const char *text, size_t len)
{
	struct selector *selector = NULL;
	char err[256] = "";

	(void)len;
	if (selector_parse(text, &selector, err, sizeof err) < 0)
		CHECK(err[0] && !selector);
	else
		selector_match(selector, label_none, NULL);
	selector_free(selector);
}

static void try_pem(const char *text, size_t len)
{
	(void)pem_has_certificate(text, len);
	(void)pem_find_key(text, len);
}

static void try_base64(const char *text, size_t len)
{
	char *bytes = NULL, *back = NULL;
	size_t bytes_len;

	if (base64_decode(text, len, &bytes, &bytes_len) == 0) {
		CHECK(bytes_len <= len && bytes[bytes_len] == '\0');
		back = base64_encode(bytes, bytes_len);
		CHECK(back);
	}
	free(bytes);
	free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const char *, size_t) = {
		try_credential, try_time, try_url, try_selector, try_pem, try_base64};
	char *text;

	if (size < 1)
		return 0;
	/* NUL-terminated, and exactly so long: a read beyond is seen */
	text = malloc(size);
	CHECK(text);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	tries[data[0] % (sizeof tries / sizeof tries[0])](text, size - 1);
	free(text);
	return 0;
}
