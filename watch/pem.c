/* SPDX-License-Identifier: Apache-2.0 */
#include "pem.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DER_SEQUENCE 0x30

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

int base64_decode(const char *text, size_t len, char **out, size_t *out_len)
{
	char *bytes = malloc(len / 4 * 3 + 4);
	size_t digits = 0, pads = 0, used = 0;
	uint32_t group = 0;

	if (!bytes)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		int value = digit_value(text[i]);

		if (is_space(text[i]))
			continue;
		if (text[i] == '=' && pads < 2) {
			pads++;
			continue;
		}
		if (value < 0 || pads > 0)
			goto fail;
		group = group << 6 | (uint32_t)value;
		if (++digits % 4 == 0) {
			bytes[used++] = (char)(group >> 16 & 0xff);
			bytes[used++] = (char)(group >> 8 & 0xff);
			bytes[used++] = (char)(group & 0xff);
		}
	}
	/* RFC 4648 section 4: the padding completes the last group of four. */
	if ((digits + pads) % 4 != 0 || (pads > 0 && digits % 4 < 2))
		goto fail;
	if (digits % 4 == 2)
		bytes[used++] = (char)(group >> 4 & 0xff);
	if (digits % 4 == 3) {
		bytes[used++] = (char)(group >> 10 & 0xff);
		bytes[used++] = (char)(group >> 2 & 0xff);
	}
	bytes[used] = '\0';
	*out = bytes;
	*out_len = used;
	return 0;
fail:
	free(bytes);
	return -EINVAL;
}

char *base64_encode(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	char *text = malloc((len + 2) / 3 * 4 + 1);
	char *to = text;

	for (size_t i = 0; text && i < len; i += 3) {
		size_t left = len - i;
		uint32_t group = (uint32_t)bytes[i] << 16;

		if (left > 1)
			group |= (uint32_t)bytes[i + 1] << 8;
		if (left > 2)
			group |= bytes[i + 2];
		*to++ = alphabet[group >> 18 & 63];
		*to++ = alphabet[group >> 12 & 63];
		*to++ = '=';
		*to++ = '=';
		if (left > 1)
			to[-2] = alphabet[group >> 6 & 63];
		if (left > 2)
			to[-1] = alphabet[group & 63];
	}
	if (text)
		*to = '\0';
	return text;
}

/* The next block from *at on: its label and what stands between the two lines.
 * Moves *at behind it. */
static bool block_next(const char **at, const char *end, const char **label, size_t *label_len,
	const char **body, size_t *body_len)
{
	static const char begin[] = "-----BEGIN ", dashes[] = "-----", stop[] = "-----END ";
	const char *found = memmem(*at, (size_t)(end - *at), begin, sizeof begin - 1);
	const char *close;

	if (!found)
		return false;
	found += sizeof begin - 1;
	close = memmem(found, (size_t)(end - found), dashes, sizeof dashes - 1);
	if (!close)
		return false;
	*label = found;
	*label_len = (size_t)(close - found);
	*body = close + sizeof dashes - 1;
	close = memmem(*body, (size_t)(end - *body), stop, sizeof stop - 1);
	if (!close)
		return false;
	*body_len = (size_t)(close - *body);
	*at = close;
	return true;
}

static bool label_is(const char *label, size_t len, const char *wanted)
{
	return len == strlen(wanted) && memcmp(label, wanted, len) == 0;
}

bool pem_has_certificate(const char *text, size_t len)
{
	const char *at = text, *label, *body;
	size_t label_len, body_len, der_len;
	char *der;

	while (block_next(&at, text + len, &label, &label_len, &body, &body_len)) {
		bool is_der;

		if (!label_is(label, label_len, "CERTIFICATE") &&
			!label_is(label, label_len, "TRUSTED CERTIFICATE"))
			continue;
		if (base64_decode(body, body_len, &der, &der_len) < 0)
			continue;
		is_der = der_len > 2 && (uint8_t)der[0] == DER_SEQUENCE;
		free(der);
		if (is_der)
			return true;
	}
	return false;
}

enum pem_key pem_find_key(const char *text, size_t len)
{
	static const char suffix[] = "PRIVATE KEY";
	const char *at = text, *label, *body;
	size_t label_len, body_len;

	while (block_next(&at, text + len, &label, &label_len, &body, &body_len)) {
		const size_t want = sizeof suffix - 1;

		if (label_len < want || memcmp(label + label_len - want, suffix, want) != 0)
			continue;
		/* PKCS #8 says it in the label, the older form in a header line. */
		if (label_is(label, label_len, "ENCRYPTED PRIVATE KEY") ||
			memmem(body, body_len, "ENCRYPTED", 9))
			return PEM_KEY_ENCRYPTED;
		return PEM_KEY_PLAIN;
	}
	return PEM_KEY_NONE;
}
