/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_PEM_H
#define BINNACLE_WATCH_PEM_H

/* Base64, and a look at PEM texts: enough to tell a person that the file he gave
 * holds no certificate, before the TLS library says it in its own words. Whether
 * the certificate is any good is the TLS library's business. Pure. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>

/* Standard alphabet; white space anywhere is skipped. out gets the bytes and a
 * NUL behind them, to be freed. 0, -EINVAL (not base64) or -ENOMEM. */
int base64_decode(const char *text, size_t len, char **out, size_t *out_len);
/* One line, NUL-terminated, to be freed. NULL: out of memory. */
char *base64_encode(const void *bytes, size_t len);

/* True if there is a certificate: a block CERTIFICATE that holds DER. */
bool pem_has_certificate(const char *text, size_t len);

enum pem_key {
	PEM_KEY_NONE,
	PEM_KEY_ENCRYPTED, /* needs a passphrase, which nobody could type */
	PEM_KEY_PLAIN
};
enum pem_key pem_find_key(const char *text, size_t len);

#endif
