/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_CREDENTIAL_H
#define BINNACLE_WATCH_CREDENTIAL_H

/* What a credential plugin prints: an ExecCredential of the API group
 * client.authentication.k8s.io. Pure. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct credential {
	char *token;              /* NULL: none */
	char *cert_pem, *key_pem; /* both or none */
	bool expires;
	int64_t expiry_s; /* seconds since 1970 */
};

/* out's strings are to be freed with credential_clear(). 0, or -EINVAL/-ENOMEM
 * with a message that begins with "it ..." or "its ...". */
int credential_parse(const char *text, size_t len, const char *api_version, struct credential *out,
	char *err, size_t err_len);

void credential_clear(struct credential *credential);

/* False: the token cannot stand in a header; it would end it, or be refused. */
bool token_is_clean(const char *token);

/* RFC 3339, "2030-01-02T03:04:05.678Z" or with +hh:mm. 0 or -EINVAL. */
int credential_time_parse(const char *text, int64_t *out_s);

#endif
