/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_EXEC_H
#define BINNACLE_WATCH_EXEC_H

/* One run of a client-go credential plugin (kubeconfig `exec`, API group
 * client.authentication.k8s.io/v1 and v1beta1): a program that prints an
 * ExecCredential. It gets no terminal and no input, is killed when it takes too
 * long or prints too much, and what it writes to standard error goes into the
 * error. One thread, the loop's.
 */

#include "credential.h"

struct uv_loop_s;
struct exec_run;

#define EXEC_TIMEOUT_MS 60000
#define EXEC_OUTPUT_MAX (1u << 20)

/* Owned by the kubeconfig. */
struct exec_config {
	char *command;      /* looked up in PATH if it has no slash */
	char **args;        /* NULL-terminated, without the command; NULL: none */
	char **env;         /* "NAME=value", added to ours; NULL: none */
	char *api_version;  /* "client.authentication.k8s.io/v1" */
	char *info;         /* KUBERNETES_EXEC_INFO */
	char *install_hint; /* NULL: none */
};

/* done comes exactly once, from the loop, after every handle is closed; run is
 * gone then. credential NULL: error says why. Else credential's strings are
 * done's to free (credential_clear). A program that cannot be started is
 * told in the same way. 0 or -ENOMEM. config must live until done. */
int exec_start(struct uv_loop_s *loop, const struct exec_config *config, unsigned timeout_ms,
	void (*done)(void *user, struct credential *credential, const char *error), void *user,
	struct exec_run **out);

/* Kill it; done comes soon, with an error. */
void exec_stop(struct exec_run *run);

#endif
