/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever asks becomes a waiter. Files are read while he asks; if a credential
 * plugin must run (or runs already), the waiters wait for its end, else for the
 * next turn of the loop. Then each gets the view as it is at that moment. */

#include "access.h"

#include "exec.h"
#include "kubeconfig.h"
#include "material.h"
#include "server_url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <uv.h>

#define SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

/* A plugin's credential is renewed this long before its end. */
#define EXEC_EARLY_S 10
/* After a 401, one so young is not asked for again; several reflectors come at once. */
#define EXEC_YOUNG_MS 2000
/* A plugin that failed, or gave what is expired, is left alone for so long. */
#define EXEC_HOLD_MS 5000

struct waiter {
	TAILQ_ENTRY(waiter) link;
	void (*ready)(void *user, const struct access_view *view, const char *error);
	void *user;
};
TAILQ_HEAD(waiter_list, waiter);

struct access {
	uv_loop_t *loop;
	uv_timer_t deliver;
	char *url;
	bool no_proxy;
	struct kubeconfig *kubeconfig; /* NULL: another source */
	struct material token, ca, cert, key;
	struct waiter_list waiters;

	bool uses_exec;
	struct exec_run *run;         /* NULL: none now */
	struct credential credential; /* the last good one */
	bool has_credential;
	uint64_t exec_ended_ms;
	char *exec_error; /* the last run's; NULL: it was good */

	struct access_view view;
	bool view_valid; /* until somebody asks again */
	char **headers;  /* of the view */
	unsigned tls_generation;

	uint64_t (*now_ms)(void *user);
	int64_t (*wall_s)(void *user);
	void *clock_user;

	bool closing;
	bool timer_closed;
	void (*done)(void *user);
	void *done_user;
};

static void strings_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++) {
		explicit_bzero(list[i], strlen(list[i]));
		free(list[i]);
	}
	free(list);
}

static void access_free(struct access *access)
{
	free(access->url);
	kubeconfig_free(access->kubeconfig);
	material_clear(&access->token);
	material_clear(&access->ca);
	material_clear(&access->cert);
	material_clear(&access->key);
	credential_clear(&access->credential);
	free(access->exec_error);
	strings_free(access->headers);
	free(access);
}

/* ---- opening ---- */

static int no_memory(char *err, size_t err_len)
{
	snprintf(err, err_len, "out of memory");
	return -ENOMEM;
}

/* The first reading: what is named must be there. */
static int material_open(struct access *access, struct material *material, const char *hint,
	char *err, size_t err_len)
{
	material_refresh(material, access->now_ms(access->clock_user), true);
	if (!material->warning[0])
		return 0;
	snprintf(err, err_len, "%s%s", material->warning, hint);
	return -EINVAL;
}

static int materials_open(struct access *access, const char *token_hint, char *err, size_t err_len)
{
	int rc = material_open(access, &access->token, token_hint, err, err_len);

	if (rc == 0)
		rc = material_open(access, &access->ca, "", err, err_len);
	if (rc == 0)
		rc = material_open(access, &access->cert, "", err, err_len);
	if (rc == 0)
		rc = material_open(access, &access->key, "", err, err_len);
	return rc;
}

static int open_in_cluster(
	struct access *access, const struct watch_config *config, char *err, size_t err_len)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	const char *dir = config->service_account_dir;
	char path[512];
	int rc;

	if (!host || !host[0] || !port || !port[0]) {
		snprintf(err, err_len,
			"not in a cluster: KUBERNETES_SERVICE_%s is not set; give 'kubeconfig "
			"FILE' or 'endpoint URL', or 'manifests PATH' to serve files",
			host && host[0] ? "PORT" : "HOST");
		return -EINVAL;
	}
	if (!dir)
		dir = SERVICE_ACCOUNT_DIR;
	access->no_proxy = true;
	rc = server_url_make(host, port, &access->url, err, err_len);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof path, "%s/token", dir);
	if (material_init(&access->token, MATERIAL_TOKEN, path, NULL) < 0)
		return no_memory(err, err_len);
	snprintf(path, sizeof path, "%s/ca.crt", dir);
	if (material_init(&access->ca, MATERIAL_CA, path, NULL) < 0)
		return no_memory(err, err_len);
	return materials_open(access,
		"; the pod needs its ServiceAccount's token (automountServiceAccountToken)", err,
		err_len);
}

static const char *given(const char *text)
{
	return text && text[0] ? text : NULL;
}

static int open_endpoint(
	struct access *access, const struct watch_config *config, char *err, size_t err_len)
{
	const char *cert = given(config->tls_cert), *key = given(config->tls_key);
	int rc = server_url_tidy(
		config->endpoint ? config->endpoint : "", &access->url, err, err_len);

	if (rc < 0)
		return rc;
	if (!cert != !key) {
		snprintf(err, err_len,
			"a client certificate needs its key and a key its certificate: write 'tls "
			"CERT KEY CACERT'");
		return -EINVAL;
	}
	if (material_init(&access->cert, MATERIAL_CERT, cert, NULL) < 0 ||
		material_init(&access->key, MATERIAL_KEY, key, NULL) < 0 ||
		material_init(&access->ca, MATERIAL_CA, given(config->tls_ca), NULL) < 0)
		return no_memory(err, err_len);
	return materials_open(access, "", err, err_len);
}

static int open_kubeconfig(
	struct access *access, const struct watch_config *config, char *err, size_t err_len)
{
	struct kubeconfig *k;
	int rc = kubeconfig_read(
		config->kubeconfig ? config->kubeconfig : "", config->context, &k, err, err_len);

	if (rc < 0)
		return rc;
	access->kubeconfig = k;
	access->url = strdup(k->server);
	if (!access->url ||
		material_init(&access->token, MATERIAL_TOKEN, k->token_file, k->token) < 0 ||
		material_init(&access->ca, MATERIAL_CA, k->ca_file, k->ca_pem) < 0 ||
		material_init(&access->cert, MATERIAL_CERT, k->cert_file, k->cert_pem) < 0 ||
		material_init(&access->key, MATERIAL_KEY, k->key_file, k->key_pem) < 0)
		return no_memory(err, err_len);
	/* As client-go: a credential that stands in the file goes before the plugin. */
	access->uses_exec = k->has_exec && !k->token && !k->token_file && !k->basic;
	return materials_open(access, "", err, err_len);
}

static int credentials_check(const struct access *access, char *err, size_t err_len)
{
	const struct kubeconfig *k = access->kubeconfig;
	bool secret = access->token.bytes || access->uses_exec || (k && k->basic);

	if (!secret || server_url_is_private(access->url))
		return 0;
	snprintf(err, err_len,
		"credentials would go to %s in clear text; give the API server's https:// URL",
		access->url);
	return -EINVAL;
}

static uint64_t clock_now_ms(void *user)
{
	(void)user;
	return uv_hrtime() / 1000000;
}

static int64_t clock_wall_s(void *user)
{
	(void)user;
	return (int64_t)time(NULL);
}

int access_open(struct uv_loop_s *loop, const struct watch_config *config, struct access **out,
	char *err, size_t err_len)
{
	struct access *access = calloc(1, sizeof *access);
	int rc = -EINVAL;

	if (!access)
		return no_memory(err, err_len);
	access->loop = loop;
	access->now_ms = clock_now_ms;
	access->wall_s = clock_wall_s;
	TAILQ_INIT(&access->waiters);
	switch (config->source) {
	case WATCH_IN_CLUSTER:
		rc = open_in_cluster(access, config, err, err_len);
		break;
	case WATCH_ENDPOINT:
		rc = open_endpoint(access, config, err, err_len);
		break;
	case WATCH_KUBECONFIG:
		rc = open_kubeconfig(access, config, err, err_len);
		break;
	case WATCH_MANIFESTS:
		snprintf(err, err_len, "manifests need no API server");
		break;
	}
	if (rc == 0)
		rc = credentials_check(access, err, err_len);
	if (rc < 0) {
		access_free(access);
		return rc;
	}
	uv_timer_init(loop, &access->deliver);
	access->deliver.data = access;
	access->tls_generation = 1;
	*out = access;
	return 0;
}

void access_set_clock(struct access *access, uint64_t (*now_ms)(void *user),
	int64_t (*wall_s)(void *user), void *user)
{
	access->now_ms = now_ms;
	access->wall_s = wall_s;
	access->clock_user = user;
	access->token.due_ms = access->ca.due_ms = 0;
	access->cert.due_ms = access->key.due_ms = 0;
}

const char *access_url(const struct access *access)
{
	return access->url;
}

/* ---- the view ---- */

/* What the view's Authorization says; NULL: nothing, or Basic. */
static const char *token_of(const struct access *access)
{
	if (access->token.bytes)
		return access->token.bytes;
	return access->uses_exec ? access->credential.token : NULL;
}

static int headers_make(struct access *access)
{
	static const char bearer[] = "Authorization: Bearer ";
	char *const *fixed = access->kubeconfig ? access->kubeconfig->headers : NULL;
	const char *token = token_of(access);
	size_t count = 0, used = 0;
	char **headers;

	while (fixed && fixed[count])
		count++;
	headers = calloc(count + 2, sizeof *headers);
	if (!headers)
		return -ENOMEM;
	if (token && asprintf(&headers[used++], "%s%s", bearer, token) < 0) {
		headers[--used] = NULL;
		goto fail;
	}
	for (size_t i = 0; i < count; i++) {
		headers[used] = strdup(fixed[i]);
		if (!headers[used++])
			goto fail;
	}
	strings_free(access->headers);
	access->headers = headers;
	return 0;
fail:
	strings_free(headers);
	return -ENOMEM;
}

static bool credential_is_good(const struct access *access)
{
	if (!access->has_credential)
		return false;
	return !access->credential.expires ||
	       access->wall_s(access->clock_user) < access->credential.expiry_s;
}

static const char *warning_of(const struct access *access)
{
	const struct material *const all[] = {
		&access->token, &access->ca, &access->cert, &access->key};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (all[i]->warning[0])
			return all[i]->warning;
	}
	return access->exec_error;
}

static int view_make(struct access *access)
{
	const struct kubeconfig *k = access->kubeconfig;
	struct access_view view = {
		.url = access->url,
		.no_proxy = access->no_proxy,
		.ca_pem = access->ca.bytes,
		.ca_pem_len = access->ca.len,
		.cert_pem = access->cert.bytes,
		.cert_pem_len = access->cert.len,
		.key_pem = access->key.bytes,
		.key_pem_len = access->key.len,
		.tls_generation = access->tls_generation,
	};

	if (access->view_valid)
		return 0;
	if (headers_make(access) < 0)
		return -ENOMEM;
	view.headers = access->headers[0] ? (const char *const *)access->headers : NULL;
	if (k) {
		view.tls_server_name = k->tls_server_name;
		view.proxy_url = k->proxy_url;
		view.insecure = k->insecure;
		view.disable_compression = k->disable_compression;
	}
	if (!view.cert_pem && access->uses_exec && access->credential.cert_pem) {
		view.cert_pem = access->credential.cert_pem;
		view.cert_pem_len = strlen(view.cert_pem);
		view.key_pem = access->credential.key_pem;
		view.key_pem_len = strlen(view.key_pem);
	}
	access->view = view;
	access->view_valid = true;
	return 0;
}

static void waiter_tell(struct access *access, struct waiter *waiter)
{
	if (access->uses_exec && !credential_is_good(access))
		waiter->ready(waiter->user, NULL,
			access->exec_error ? access->exec_error
					   : "the credential plugin's answer is expired");
	else if (view_make(access) < 0)
		waiter->ready(waiter->user, NULL, "out of memory");
	else
		waiter->ready(waiter->user, &access->view, warning_of(access));
}

/* Tell those who wait now; who asks from inside ready comes with the next turn. */
static void deliver_due(uv_timer_t *timer)
{
	struct access *access = timer->data;
	struct waiter *last = TAILQ_LAST(&access->waiters, waiter_list);
	struct waiter marker = {0};
	struct waiter *waiter;

	if (!last || access->run)
		return;
	TAILQ_INSERT_TAIL(&access->waiters, &marker, link);
	while ((waiter = TAILQ_FIRST(&access->waiters)) != &marker) {
		TAILQ_REMOVE(&access->waiters, waiter, link);
		/* Another one, asking with force, may have started the plugin: its view
		 * would be as good as this one. */
		waiter_tell(access, waiter);
		free(waiter);
	}
	TAILQ_REMOVE(&access->waiters, &marker, link);
}

/* ---- the credential plugin ---- */

static void close_step(struct access *access)
{
	void (*done)(void *user) = access->done;
	void *user = access->done_user;

	if (!access->timer_closed || access->run)
		return;
	access_free(access);
	if (done)
		done(user);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void exec_done(void *user, struct credential *credential, const char *error)
{
	struct access *access = user;

	access->run = NULL;
	access->exec_ended_ms = access->now_ms(access->clock_user);
	free(access->exec_error);
	access->exec_error = NULL;
	if (credential) {
		if (!same_text(credential->cert_pem, access->credential.cert_pem) ||
			!same_text(credential->key_pem, access->credential.key_pem))
			access->tls_generation++;
		credential_clear(&access->credential);
		access->credential = *credential;
		access->has_credential = true;
	} else {
		access->exec_error = strdup(error);
	}
	if (access->closing)
		close_step(access);
	else
		uv_timer_start(&access->deliver, deliver_due, 0, 0);
}

static bool exec_is_due(const struct access *access, bool force)
{
	uint64_t age_ms = access->now_ms(access->clock_user) - access->exec_ended_ms;
	bool failed = access->exec_error || !credential_is_good(access);
	bool ran = access->exec_error || access->has_credential;

	if (!access->uses_exec || access->run)
		return false;
	if (!ran)
		return true;
	if (age_ms < (failed ? EXEC_HOLD_MS : EXEC_YOUNG_MS))
		return false;
	return failed || force ||
	       (access->credential.expires && access->wall_s(access->clock_user) + EXEC_EARLY_S >=
						      access->credential.expiry_s);
}

/* ---- asking ---- */

int access_get(struct access *access, bool force,
	void (*ready)(void *user, const struct access_view *view, const char *error), void *user)
{
	struct waiter *waiter = malloc(sizeof *waiter);
	uint64_t now_ms = access->now_ms(access->clock_user);
	bool changed = false;

	if (!waiter)
		return -ENOMEM;
	access->view_valid = false;
	material_refresh(&access->token, now_ms, force);
	changed |= material_refresh(&access->ca, now_ms, force);
	changed |= material_refresh(&access->cert, now_ms, force);
	changed |= material_refresh(&access->key, now_ms, force);
	if (changed)
		access->tls_generation++;
	if (exec_is_due(access, force) &&
		exec_start(access->loop, &access->kubeconfig->exec, EXEC_TIMEOUT_MS, exec_done,
			access, &access->run) < 0) {
		free(waiter);
		return -ENOMEM;
	}
	waiter->ready = ready;
	waiter->user = user;
	TAILQ_INSERT_TAIL(&access->waiters, waiter, link);
	if (!access->run)
		uv_timer_start(&access->deliver, deliver_due, 0, 0);
	return 0;
}

void access_cancel(struct access *access, void *user)
{
	struct waiter *waiter = TAILQ_FIRST(&access->waiters), *next;

	for (; waiter; waiter = next) {
		next = TAILQ_NEXT(waiter, link);
		if (!waiter->ready || waiter->user != user)
			continue; /* the delivery's own mark has no ready */
		TAILQ_REMOVE(&access->waiters, waiter, link);
		free(waiter);
	}
}

/* ---- closing ---- */

static void timer_closed(uv_handle_t *handle)
{
	struct access *access = handle->data;

	access->timer_closed = true;
	close_step(access);
}

void access_close(struct access *access, void (*done)(void *user), void *user)
{
	struct waiter *waiter = TAILQ_FIRST(&access->waiters), *next;

	access->closing = true;
	access->done = done;
	access->done_user = user;
	for (; waiter; waiter = next) {
		next = TAILQ_NEXT(waiter, link);
		if (!waiter->ready)
			continue;
		TAILQ_REMOVE(&access->waiters, waiter, link);
		free(waiter);
	}
	if (access->run)
		exec_stop(access->run);
	uv_close((uv_handle_t *)&access->deliver, timer_closed);
}
