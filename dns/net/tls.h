/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_NET_TLS_H
#define BINNACLE_DNS_NET_TLS_H

/* The client side of TLS for DNS (RFC 7858), as a filter of bytes: sockets, loop and clock
 * are somebody else's. What came from the socket goes in at tls_input(), what tls_output()
 * gives goes to the socket; tls_read() and tls_write() are the plain side.
 *
 *	tls_client   what `tls [CERT [KEY]] [CA]` says: certificates of ours and CAs
 *	tls_peer     one server: the name its certificate must have, the session to resume
 *	tls          one connection to it
 *
 * TLS 1.2 or later. The certificate is always verified, chain and name, and there is no
 * option that leaves it out (the strict profile of RFC 8310 section 5).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sockaddr;
struct tls_client;
struct tls_peer;
struct tls;

struct tls_options {      /* paths of PEM files */
	const char *cert; /* ours, with its chain; NULL: none */
	const char *key;  /* without passphrase; with cert */
	const char *ca;   /* NULL: the system's, or those that SSL_CERT_FILE names */
};

/* Reads the files. On failure -EINVAL or -ENOMEM, and words say which file and why. Any
 * thread; what is made may be used by several. */
int tls_client_new(
	const struct tls_options *options, struct tls_client **out, char *words, size_t cap);
/* Peers that were made of it live on. NULL is allowed. */
void tls_client_free(struct tls_client *client);

/* name: what the certificate must be for, a host name (sent as SNI) or an address in text.
 * NULL: it must be for the address. A peer and its connections belong to one thread. 0,
 * -EINVAL (no such name) or -ENOMEM. */
int tls_peer_new(const struct tls_client *client, const char *name, const struct sockaddr *address,
	struct tls_peer **out);
void tls_peer_free(struct tls_peer *peer); /* after its connections; NULL is allowed */

int tls_open(struct tls_peer *peer, struct tls **out); /* 0 or -ENOMEM */
void tls_free(struct tls *tls);                        /* NULL is allowed */

/* All of these but tls_input() may leave something for tls_output(), also when they fail:
 * the alert that tells the server why. */

/* 0: done, the server is who it should be. -EAGAIN: it wants input. -EPROTO: tls_words(). */
int tls_handshake(struct tls *tls);
int tls_input(struct tls *tls, const uint8_t *data, size_t len); /* 0 or -ENOMEM */
size_t tls_output(struct tls *tls, uint8_t *data, size_t cap);   /* 0: nothing more */
/* Bytes, 0 when the server has ended the stream, -EAGAIN without more input, -EPROTO. After
 * each input, read until -EAGAIN. */
ssize_t tls_read(struct tls *tls, uint8_t *data, size_t cap);
/* All of it or -EPROTO; after the handshake only. */
int tls_write(struct tls *tls, const uint8_t *data, size_t len);
void tls_end(struct tls *tls); /* say that nothing more will be written */

bool tls_resumed(const struct tls *tls); /* an earlier session was continued */
/* Why -EPROTO, "certificate verify failed: certificate has expired"; "" before. */
const char *tls_words(const struct tls *tls);

#endif
