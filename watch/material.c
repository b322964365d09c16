/* SPDX-License-Identifier: Apache-2.0 */
#include "material.h"

#include "credential.h"
#include "file.h"
#include "pem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MATERIAL_MAX (1u << 20)

/* Tokens: client-go's minute less ten seconds. The rest: five minutes, but ten
 * seconds after a change, because certificate and key are two files and the first
 * look may have come between their two replacements. */
#define TOKEN_KEEP_MS 50000
#define TLS_KEEP_MS   300000
#define RECHECK_MS    10000

static void secret_free(char *bytes, size_t len)
{
	if (bytes)
		explicit_bzero(bytes, len);
	free(bytes);
}

int material_init(struct material *material, enum material_kind kind, const char *path,
	const char *inline_bytes)
{
	*material = (struct material){.kind = kind};
	if (inline_bytes) {
		material->bytes = strdup(inline_bytes);
		material->len = strlen(inline_bytes);
		return material->bytes ? 0 : -ENOMEM;
	}
	if (path)
		material->path = strdup(path);
	return path && !material->path ? -ENOMEM : 0;
}

void material_clear(struct material *material)
{
	free(material->path);
	secret_free(material->bytes, material->len);
	*material = (struct material){0};
}

/* Cut white space off both ends; what is left must fit in a header field. NULL:
 * good, or what is wrong. */
static const char *token_tidy(char *bytes, size_t *len)
{
	size_t start = 0, end = *len;

	while (end > 0 && (unsigned char)bytes[end - 1] <= ' ')
		end--;
	while (start < end && (unsigned char)bytes[start] <= ' ')
		start++;
	memmove(bytes, bytes + start, end - start);
	bytes[end - start] = '\0';
	*len = end - start;
	if (*len == 0)
		return "is empty";
	if (!token_is_clean(bytes) || strlen(bytes) < *len)
		return "is not a token: it has spaces or control characters in it";
	return NULL;
}

static const char *content_check(enum material_kind kind, char *bytes, size_t *len)
{
	switch (kind) {
	case MATERIAL_TOKEN:
		return token_tidy(bytes, len);
	case MATERIAL_CA:
	case MATERIAL_CERT:
		return pem_has_certificate(bytes, *len) ? NULL : "holds no PEM certificate";
	case MATERIAL_KEY:
		break;
	}
	switch (pem_find_key(bytes, *len)) {
	case PEM_KEY_PLAIN:
		return NULL;
	case PEM_KEY_ENCRYPTED:
		return "holds a key with a passphrase; give one without";
	case PEM_KEY_NONE:
		break;
	}
	return "holds no PEM private key";
}

bool material_refresh(struct material *material, uint64_t now_ms, bool force)
{
	char *bytes = NULL;
	size_t len = 0;
	const char *wrong = NULL;
	bool changed;

	if (!material->path || (!force && now_ms < material->due_ms))
		return false;
	material->due_ms = now_ms + RECHECK_MS;
	if (file_read(material->path, MATERIAL_MAX, &bytes, &len, material->warning,
		    sizeof material->warning) < 0)
		return false;
	wrong = content_check(material->kind, bytes, &len);
	if (wrong) {
		snprintf(material->warning, sizeof material->warning, "%s %s", material->path,
			wrong);
		secret_free(bytes, len);
		return false;
	}
	material->warning[0] = '\0';
	changed = !material->bytes || len != material->len ||
		  memcmp(bytes, material->bytes, len) != 0;
	if (material->kind == MATERIAL_TOKEN)
		material->due_ms = now_ms + TOKEN_KEEP_MS;
	else if (!changed || !material->bytes)
		material->due_ms = now_ms + TLS_KEEP_MS;
	secret_free(material->bytes, material->len);
	material->bytes = bytes;
	material->len = len;
	return changed;
}
