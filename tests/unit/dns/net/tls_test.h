/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_TLS_TEST_H
#define BINNACLE_TESTS_TLS_TEST_H

/* Certificates made on the spot, as files, and a server's side of TLS with them. */

#include "dns/net/tls.h"

#include "net_test.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <time.h>

#define DAY_S (24L * 3600)

struct issued {
	EVP_PKEY *key;
	X509 *cert;
};

/* A folder, two CAs, and what tests need of them. Paths are FOLDER/NAME.pem and .key. */
struct certificates {
	char folder[32];
	struct issued ca, other_ca;
};

struct certificate_spec {
	const char *name;            /* of the files */
	const char *san;             /* "DNS:dns.example,IP:127.0.0.1"; NULL: a CA */
	const struct issued *issuer; /* NULL: itself */
	long begins_s, ends_s;       /* from now */
};

static inline void extension_add(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static inline char *certificate_path(
	const struct certificates *all, const char *name, const char *suffix)
{
	char *path;

	assert_true(asprintf(&path, "%s/%s.%s", all->folder, name, suffix) > 0);
	return path;
}

static inline FILE *file_create(
	const struct certificates *all, const char *name, const char *suffix)
{
	char *path = certificate_path(all, name, suffix);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	free(path);
	return file;
}

static inline void issued_write(
	const struct certificates *all, const struct issued *issued, const char *name)
{
	FILE *file = file_create(all, name, "pem");

	assert_int_equal(PEM_write_X509(file, issued->cert), 1);
	fclose(file);
	file = file_create(all, name, "key");
	assert_int_equal(PEM_write_PrivateKey(file, issued->key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(file);
}

static inline struct issued issue(
	const struct certificates *all, const struct certificate_spec *spec)
{
	struct issued new = {.key = EVP_EC_gen("P-256"), .cert = X509_new()};
	const struct issued *issuer = spec->issuer ? spec->issuer : &new;
	X509_NAME *name = X509_get_subject_name(new.cert);

	assert_non_null(new.key);
	X509_set_version(new.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(new.cert), time(NULL) + (long)strlen(spec->name));
	X509_gmtime_adj(X509_getm_notBefore(new.cert), spec->begins_s);
	X509_gmtime_adj(X509_getm_notAfter(new.cert), spec->ends_s);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)spec->name, -1, -1, 0);
	X509_set_issuer_name(new.cert, X509_get_subject_name(issuer->cert));
	X509_set_pubkey(new.cert, new.key);
	extension_add(new.cert, issuer->cert, NID_basic_constraints,
		spec->san ? "critical,CA:FALSE" : "critical,CA:TRUE");
	if (spec->san)
		extension_add(new.cert, issuer->cert, NID_subject_alt_name, spec->san);
	assert_true(X509_sign(new.cert, issuer->key, EVP_sha256()) > 0);
	issued_write(all, &new, spec->name);
	return new;
}

static inline void issued_free(struct issued issued)
{
	X509_free(issued.cert);
	EVP_PKEY_free(issued.key);
}

/* good, expired, early, named (a name and no address), stranger (of another CA), client */
static inline void certificates_make(struct certificates *all)
{
	const struct certificate_spec cas[] = {
		{"ca", NULL, NULL, -DAY_S, DAY_S},
		{"other-ca", NULL, NULL, -DAY_S, DAY_S},
	};
	const char *san = "DNS:dns.example,IP:127.0.0.1,IP:::1";
	const struct certificate_spec leaves[] = {
		{"good", san, &all->ca, -DAY_S, DAY_S},
		{"expired", san, &all->ca, -2 * DAY_S, -DAY_S},
		{"early", san, &all->ca, DAY_S, 2 * DAY_S},
		{"named", "DNS:dns.example,DNS:*.wild.example", &all->ca, -DAY_S, DAY_S},
		/* Its subject says dns.example, which no longer counts. */
		{"dns.example", "DNS:elsewhere.example", &all->ca, -DAY_S, DAY_S},
		{"stranger", san, &all->other_ca, -DAY_S, DAY_S},
		{"client", "DNS:client.example", &all->ca, -DAY_S, DAY_S},
	};

	strcpy(all->folder, "/tmp/binnacle-tls-XXXXXX");
	assert_non_null(mkdtemp(all->folder));
	all->ca = issue(all, &cas[0]);
	all->other_ca = issue(all, &cas[1]);
	for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++)
		issued_free(issue(all, &leaves[i]));
}

static inline void certificates_free(struct certificates *all)
{
	char *command;

	issued_free(all->ca);
	issued_free(all->other_ca);
	assert_true(asprintf(&command, "rm -rf %s", all->folder) > 0);
	assert_int_equal(system(command), 0);
	free(command);
}

/* --- the server's side --- */

static inline int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned in_len, void *user)
{
	(void)ssl;
	(void)user;
	if (in_len != 4 || memcmp(in, "\3dot", 4) != 0)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = in + 1;
	*out_len = 3;
	return SSL_TLSEXT_ERR_OK;
}

/* max_version: TLS1_2_VERSION..., 0: any. */
static inline SSL_CTX *server_context(
	const struct certificates *all, const char *name, int max_version)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	char *cert = certificate_path(all, name, "pem"), *key = certificate_path(all, name, "key");

	assert_non_null(context);
	if (max_version > 0 && max_version < TLS1_2_VERSION) {
		SSL_CTX_set_security_level(context, 0);
		SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
	}
	SSL_CTX_set_max_proto_version(context, max_version);
	assert_int_equal(SSL_CTX_use_certificate_chain_file(context, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM), 1);
	SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
	SSL_CTX_set_session_id_context(context, (const unsigned char *)"test", 4);
	free(cert);
	free(key);
	return context;
}

/* Only clients with a certificate of the CA. */
static inline void server_wants_client(const struct certificates *all, SSL_CTX *context)
{
	char *ca = certificate_path(all, "ca", "pem");

	assert_int_equal(SSL_CTX_load_verify_file(context, ca), 1);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	free(ca);
}

/* Names of certificates above; NULL as in tls_options. */
static inline struct tls_client *client_new(
	const struct certificates *all, const char *cert, const char *ca)
{
	char *cert_path = cert ? certificate_path(all, cert, "pem") : NULL;
	char *key_path = cert ? certificate_path(all, cert, "key") : NULL;
	char *ca_path = ca ? certificate_path(all, ca, "pem") : NULL;
	const struct tls_options options = {cert_path, key_path, ca_path};
	struct tls_client *client = NULL;
	char words[256] = "";

	if (tls_client_new(&options, &client, words, sizeof words) < 0)
		fail_msg("%s", words);
	free(cert_path);
	free(key_path);
	free(ca_path);
	return client;
}

#endif
