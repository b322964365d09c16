/* SPDX-License-Identifier: Apache-2.0 */
/* Whole kubeconfigs: which context, which cluster, and what is wrong with them. */

#include "watch/kubeconfig.h"

#include <errno.h>

#include "scratch.h"

#define CONTEXTS                                                                                   \
	"contexts:\n"                                                                              \
	"- {name: prod, context: {cluster: c, user: u}}\n"                                         \
	"- {name: test, context: {cluster: d}}\n"
#define CLUSTERS                                                                                   \
	"clusters:\n"                                                                              \
	"- {name: c, cluster: {server: 'https://10.0.0.1:6443/'}}\n"                               \
	"- {name: d, cluster: {server: 'test.example.com'}}\n"
#define USERS "users:\n- {name: u, user: {token: abc}}\n"
#define WHOLE "current-context: prod\n" CONTEXTS CLUSTERS USERS

/* CA: the base64 of PEM_CERT_A */
#define CA_DATA                                                                                    \
	"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BTUNBUUU9Ci0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K"

struct reading {
	struct scratch scratch;
	struct kubeconfig *config;
	char err[512];
};

static int setup(void **state)
{
	struct reading *r = calloc(1, sizeof *r);

	assert_non_null(r);
	scratch_make(&r->scratch);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct reading *r = *state;

	kubeconfig_free(r->config);
	scratch_remove(&r->scratch);
	free(r);
	return 0;
}

static int read_path(struct reading *r, const char *path, const char *context)
{
	kubeconfig_free(r->config);
	r->config = NULL;
	return kubeconfig_read(path, context, &r->config, r->err, sizeof r->err);
}

static int read_text(struct reading *r, const char *text, const char *context)
{
	char path[256];

	scratch_write(&r->scratch, "config", text);
	snprintf(path, sizeof path, "%s", scratch_path(&r->scratch, "config"));
	return read_path(r, path, context);
}

/* Refused, with DIR/config and then this. */
static void assert_refused(struct reading *r, const char *text, const char *message)
{
	char wanted[512];

	if (read_text(r, text, NULL) == 0)
		fail_msg("taken: %s", text);
	assert_null(r->config);
	snprintf(wanted, sizeof wanted, "%s%s", scratch_path(&r->scratch, "config"), message);
	assert_string_equal(r->err, wanted);
}

static void test_current_context(void **state)
{
	struct reading *r = *state;

	assert_int_equal(read_text(r, WHOLE, NULL), 0);
	assert_string_equal(r->config->context, "prod");
	assert_string_equal(r->config->server, "https://10.0.0.1:6443");
	assert_string_equal(r->config->token, "abc");
	assert_false(r->config->insecure);
	assert_false(r->config->has_exec);
	assert_null(r->config->ca_file);
	assert_null(r->config->headers);
}

static void test_named_context(void **state)
{
	struct reading *r = *state;

	assert_int_equal(read_text(r, WHOLE, "test"), 0);
	assert_string_equal(r->config->server, "https://test.example.com");
	assert_null(r->config->token); /* no user: anonymous */
	assert_int_equal(read_text(r, WHOLE, ""), 0);
	assert_string_equal(r->config->context, "prod");
	assert_int_equal(read_text(r, WHOLE, "stage"), -ENOENT);
	assert_says(r->err, "config: there is no context 'stage'; contexts: prod, test");
}

static void test_json(void **state)
{
	struct reading *r = *state;

	assert_int_equal(
		read_text(r,
			"{\"current-context\":\"p\",\"contexts\":[{\"name\":\"p\",\"context\":"
			"{\"cluster\":\"c\"}}],\n\"clusters\":[{\"name\":\"c\",\"cluster\":"
			"{\"server\":\"https://[fd00::1]:6443\"}}]}",
			NULL),
		0);
	assert_string_equal(r->config->server, "https://[fd00::1]:6443");
}

#define CLUSTER(fields)                                                                            \
	"current-context: x\n"                                                                     \
	"contexts: [{name: x, context: {cluster: c}}]\n"                                           \
	"clusters: [{name: c, cluster: {" fields "}}]\n"

static void test_cluster_fields(void **state)
{
	struct reading *r = *state;

	assert_int_equal(
		read_text(r,
			CLUSTER("server: h, tls-server-name: kube, proxy-url: 'http://p:1', "
				"insecure-skip-tls-verify: true, disable-compression: true"),
			NULL),
		0);
	assert_string_equal(r->config->tls_server_name, "kube");
	assert_string_equal(r->config->proxy_url, "http://p:1");
	assert_true(r->config->insecure);
	assert_true(r->config->disable_compression);
	assert_int_equal(
		read_text(r, CLUSTER("server: h, certificate-authority: pki/ca.crt"), NULL), 0);
	assert_string_equal(r->config->ca_file, scratch_path(&r->scratch, "pki/ca.crt"));
	assert_null(r->config->ca_pem);
	/* inline data wins */
	assert_int_equal(read_text(r,
				 CLUSTER("server: h, certificate-authority: pki/ca.crt, "
					 "certificate-authority-data: " CA_DATA),
				 NULL),
		0);
	assert_string_equal(r->config->ca_pem, PEM_CERT_A);
	assert_null(r->config->ca_file);
}

static void test_mistakes(void **state)
{
	struct reading *r = *state;

	assert_refused(r, "", ": it has no current-context; name one of its contexts: (none)");
	assert_refused(r, CONTEXTS,
		": it has no current-context; name one of its contexts: "
		"prod, test");
	assert_refused(r, "current-context: a\ncontexts: [{name: a, context: {user: u}}]\n",
		":2: context 'a': it names no cluster");
	assert_refused(r, "current-context: prod\n" CONTEXTS,
		": there is no cluster 'c'; clusters: (none)");
	assert_refused(r, "current-context: prod\n" CONTEXTS CLUSTERS,
		": there is no user 'u'; users: (none)");
	assert_refused(r, CLUSTER(""), ":3: cluster 'c': it has no server");
	assert_refused(r, CLUSTER("server: h, insecure-skip-tls-verify: 'yes'"),
		":3: cluster 'c': insecure-skip-tls-verify must be true or false");
	assert_refused(r, CLUSTER("server: h, certificate-authority-data: aGVsbG8="),
		":3: cluster 'c': certificate-authority-data holds no certificate");
	assert_refused(r, "- x\n", ":1: is not a kubeconfig (no mapping at its top)");
	assert_refused(r, "a: 1\n---\nb: 1\n", ": has more than one YAML document");
	assert_int_equal(read_text(r, CLUSTER("server: 'ftp://h'"), NULL), -EINVAL);
	assert_says(r->err, "config:3: cluster 'c': ");
	assert_says(r->err, "only https and http are spoken");
	assert_int_equal(read_text(r,
				 CLUSTER("server: h, insecure-skip-tls-verify: true, "
					 "certificate-authority: ca.crt"),
				 NULL),
		-EINVAL);
	assert_says(r->err, "both insecure-skip-tls-verify and a certificate-authority");
	assert_int_equal(read_text(r, "a: [1\nb: 2\n", NULL), -EINVAL);
	assert_says(r->err, "config:2: ");
}

static void test_files_that_are_not_there(void **state)
{
	struct reading *r = *state;

	assert_int_equal(read_path(r, "/nowhere/config", NULL), -ENOENT);
	assert_string_equal(r->err, "cannot read /nowhere/config: No such file or directory");
	assert_int_equal(read_path(r, "/nowhere/a:/nowhere/b", NULL), -ENOENT);
	assert_string_equal(r->err, "none of the kubeconfig files is there");
}

/* The entries may lie in different files, each with paths relative to its own. */
static void test_several_files(void **state)
{
	struct reading *r = *state;
	char list[800];

	assert_int_equal(mkdir(scratch_path(&r->scratch, "sub"), 0755), 0);
	scratch_write(&r->scratch, "one", "current-context: prod\n" CONTEXTS);
	scratch_write(&r->scratch, "sub/two",
		"current-context: test\n"
		"clusters: [{name: c, cluster: {server: h, certificate-authority: ca.crt}}]\n");
	scratch_write(&r->scratch, "three", CLUSTERS USERS);
	snprintf(list, sizeof list, "%s/one:%s/none:%s/sub/two:%s/three", r->scratch.dir,
		r->scratch.dir, r->scratch.dir, r->scratch.dir);
	assert_int_equal(read_path(r, list, NULL), 0);
	assert_string_equal(r->config->context, "prod");
	assert_string_equal(r->config->server, "https://h"); /* the first one that has it */
	assert_string_equal(r->config->ca_file, scratch_path(&r->scratch, "sub/ca.crt"));
	assert_string_equal(r->config->token, "abc");
}

#define READING_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		READING_TEST(test_current_context),
		READING_TEST(test_named_context),
		READING_TEST(test_json),
		READING_TEST(test_cluster_fields),
		READING_TEST(test_mistakes),
		READING_TEST(test_files_that_are_not_there),
		READING_TEST(test_several_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
