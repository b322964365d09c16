/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_KUBECONFIG_USER_H
#define BINNACLE_WATCH_KUBECONFIG_USER_H

/* The user half of a kubeconfig's context: certificates, tokens, Basic,
 * impersonation, the credential plugin. Any thread.
 */

#include "kubeconfig.h"
#include "kubeconfig_entry.h"

/* Fill the user's fields of out. cluster is for plugins that ask to be told
 * about it (provideClusterInfo). 0, -EINVAL or -ENOMEM with the message written. */
int kubeconfig_user_read(
	const struct entry *user, const struct entry *cluster, struct kubeconfig *out);

#endif
