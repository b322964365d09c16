/* SPDX-License-Identifier: Apache-2.0 */
/* The user half: one user "u" with the fields of a test, over a cluster "c". */

#include "watch/kubeconfig_user.h"

#include <errno.h>

#include "scratch.h"

/* base64 of PEM_CERT_A, PEM_KEY_A and of an encrypted key */
#define CERT_DATA                                                                                  \
	"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BTUNBUUU9Ci0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K"
#define KEY_DATA                                                                                   \
	"LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1BTUNBUU09Ci0tLS0tRU5EIFBSSVZBVEUgS0VZLS0tLS0K"
#define LOCKED_DATA                                                                                \
	"LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFURSBLRVktLS0tLQpNQU1DQVFNPQotLS0tLUVORCBFTkNSWVBURUQg" \
	"UFJJVkFURSBLRVktLS0tLQo="
#define EXEC(fields)                                                                               \
	"    exec:\n"                                                                              \
	"      apiVersion: client.authentication.k8s.io/v1\n" fields

struct fixture {
	struct scratch scratch;
	struct kubeconfig *config;
	char err[512];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	scratch_make(&f->scratch);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kubeconfig_free(f->config);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

/* fields: lines with four blanks before each. */
static int read_user(struct fixture *f, const char *fields)
{
	struct kubeconfig_files files;
	struct entry user, cluster;
	char text[2048], path[256];
	int rc;

	kubeconfig_free(f->config);
	f->config = calloc(1, sizeof *f->config);
	assert_non_null(f->config);
	f->config->server = strdup("https://h:1");
	snprintf(text, sizeof text,
		"clusters:\n- name: c\n  cluster:\n    extensions:\n"
		"    - name: client.authentication.k8s.io/exec\n      extension: {audience: x}\n"
		"users:\n- name: u\n  user:\n%s",
		fields);
	scratch_write(&f->scratch, "config", text);
	snprintf(path, sizeof path, "%s", scratch_path(&f->scratch, "config"));
	assert_int_equal(kubeconfig_files_read(path, &files, f->err, sizeof f->err), 0);
	assert_int_equal(entry_find(&files, "clusters", "cluster", "c", &cluster), 0);
	assert_int_equal(entry_find(&files, "users", "user", "u", &user), 0);
	rc = kubeconfig_user_read(&user, &cluster, f->config);
	kubeconfig_files_clear(&files);
	return rc;
}

static void assert_refused(struct fixture *f, const char *fields, const char *message)
{
	char wanted[512];

	assert_int_equal(read_user(f, fields), -EINVAL);
	snprintf(wanted, sizeof wanted, "user 'u': %s", message);
	assert_says(f->err, wanted);
	assert_null(strchr(f->err, '\n'));
}

static void test_certificates(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		read_user(f, "    client-certificate: a.crt\n    client-key: /k/a.key\n"), 0);
	assert_string_equal(f->config->cert_file, scratch_path(&f->scratch, "a.crt"));
	assert_string_equal(f->config->key_file, "/k/a.key");
	/* inline data wins */
	assert_int_equal(read_user(f, "    client-certificate: a.crt\n    client-key: a.key\n"
				      "    client-certificate-data: " CERT_DATA
				      "\n    client-key-data: " KEY_DATA "\n"),
		0);
	assert_string_equal(f->config->cert_pem, PEM_CERT_A);
	assert_string_equal(f->config->key_pem, PEM_KEY_A);
	assert_null(f->config->cert_file);
	assert_null(f->config->key_file);
	assert_refused(f, "    client-certificate: a.crt\n",
		"has only one of client certificate and client key");
	assert_refused(f, "    client-key-data: " KEY_DATA "\n",
		"has only one of client certificate and client key");
	assert_refused(f,
		"    client-certificate-data: " KEY_DATA "\n    client-key-data: " KEY_DATA "\n",
		"client-certificate-data holds no certificate");
	assert_refused(f,
		"    client-certificate-data: " CERT_DATA "\n    client-key-data: " LOCKED_DATA
		"\n",
		"client-key-data holds no private key that can be used without a passphrase");
}

static void test_tokens(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_user(f, "    token: abc\n"), 0);
	assert_string_equal(f->config->token, "abc");
	assert_int_equal(read_user(f, "    token: abc\n    tokenFile: t\n"), 0);
	assert_string_equal(f->config->token_file, scratch_path(&f->scratch, "t"));
	assert_null(f->config->token);
	assert_refused(f, "    token: \"abc\\r\\nX: 1\"\n",
		"the token has spaces or control characters in it");
	assert_refused(f, "    auth-provider: {name: gcp}\n",
		"auth-provider is gone from Kubernetes; use an exec plugin");
}

static void test_basic(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_user(f, "    username: jane\n    password: 's:1'\n"), 0);
	assert_string_equal(f->config->headers[0], "Authorization: Basic amFuZTpzOjE=");
	assert_null(f->config->headers[1]);
	assert_true(f->config->basic);
	assert_refused(f, "    username: jane\n    token: t\n",
		"has both a token and username/password; keep one");
}

static void test_impersonation(void **state)
{
	struct fixture *f = *state;
	static const char *const wanted[] = {"Impersonate-User: jane", "Impersonate-Uid: 7",
		"Impersonate-Group: a", "Impersonate-Group: b", "Impersonate-Extra-x%2Fy%25: v"};

	assert_int_equal(read_user(f, "    as: jane\n    as-uid: '7'\n    as-groups: [a, b]\n"
				      "    as-user-extra: {x/y%: [v]}\n"),
		0);
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		assert_string_equal(f->config->headers[i], wanted[i]);
	assert_null(f->config->headers[sizeof wanted / sizeof *wanted]);
	assert_false(f->config->basic);
	assert_refused(f, "    as-groups: [a]\n", "as-uid, as-groups and as-user-extra need 'as'");
	assert_refused(f, "    as: \"a\\r\\nX: 1\"\n",
		"the value for Impersonate-User has a control character");
	assert_refused(f, "    as: a\n    as-user-extra: {k: v}\n",
		"as-user-extra must hold lists of texts");
}

static void test_exec(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		read_user(
			f, EXEC("      command: get-token\n      args: [login, --quiet]\n"
				"      env: [{name: A, value: b}, {name: C}]\n"
				"      installHint: get it\n      interactiveMode: IfAvailable\n")),
		0);
	assert_true(f->config->has_exec);
	assert_string_equal(f->config->exec.command, "get-token");
	assert_string_equal(f->config->exec.args[0], "login");
	assert_string_equal(f->config->exec.args[1], "--quiet");
	assert_null(f->config->exec.args[2]);
	assert_string_equal(f->config->exec.env[0], "A=b");
	assert_string_equal(f->config->exec.env[1], "C=");
	assert_null(f->config->exec.env[2]);
	assert_string_equal(f->config->exec.install_hint, "get it");
	assert_string_equal(f->config->exec.info,
		"{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","
		"\"spec\":{\"interactive\":false}}");
	/* a command with a slash lies beside the kubeconfig */
	assert_int_equal(read_user(f, EXEC("      command: ./get\n"
					   "      provideClusterInfo: true\n")),
		0);
	assert_string_equal(f->config->exec.command, scratch_path(&f->scratch, "./get"));
	assert_says(f->config->exec.info,
		"\"cluster\":{\"server\":\"https://h:1\",\"config\":{\"audience\":\"x\"}}");
}

static void test_exec_mistakes(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, "    exec: get-token\n", "exec must be a mapping");
	assert_refused(f, EXEC(""), "exec: it has no command");
	assert_refused(f, "    exec: {command: a}\n",
		"exec: it has no apiVersion; write client.authentication.k8s.io/v1");
	assert_refused(f, "    exec: {command: a, apiVersion: x/v1alpha1}\n",
		"exec: apiVersion x/v1alpha1 is not spoken");
	assert_refused(f, EXEC("      command: a\n      interactiveMode: Always\n"),
		"exec: interactiveMode Always needs a terminal");
	assert_refused(f, EXEC("      command: a\n      env: [{name: 'A=B'}]\n"),
		"exec: an entry of env has no usable name");
	assert_refused(f, EXEC("      command: a\n      env: [{name: A, value: 1}]\n"),
		"exec: the value of A must be a text");
}

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_certificates),
		FIXTURE_TEST(test_tokens),
		FIXTURE_TEST(test_basic),
		FIXTURE_TEST(test_impersonation),
		FIXTURE_TEST(test_exec),
		FIXTURE_TEST(test_exec_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
