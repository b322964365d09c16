/* SPDX-License-Identifier: Apache-2.0 */
/* Options of `kubernetes` that are not CoreDNS's, from the environment. */

#include "kubernetes.h"

#include "dns/corefile/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANIFESTS    "BINNACLE_KUBERNETES_MANIFESTS"
#define NEGATIVE_TTL "BINNACLE_KUBERNETES_NEGATIVE_TTL"
#define BLANKS       " \t\n"

static int out_of_memory(char *err)
{
	snprintf(err, COREFILE_ERROR_MAX, "out of memory");
	return -ENOMEM;
}

static size_t words_count(const char *text)
{
	size_t count = 0;

	for (text += strspn(text, BLANKS); *text; text += strspn(text, BLANKS)) {
		text += strcspn(text, BLANKS);
		count++;
	}
	return count;
}

static int manifests_read(struct kubernetes_options *options, const char *text, char *err)
{
	const size_t count = words_count(text);

	if (!count)
		return 0;
	options->manifests = calloc(count + 1, sizeof *options->manifests);
	if (!options->manifests)
		return out_of_memory(err);
	for (size_t i = 0; i < count; i++) {
		size_t len;

		text += strspn(text, BLANKS);
		len = strcspn(text, BLANKS);
		options->manifests[i] = strndup(text, len);
		if (!options->manifests[i])
			return out_of_memory(err);
		text += len;
	}
	return 0;
}

static int negative_ttl_read(struct kubernetes_options *options, const char *text, char *err)
{
	int64_t ttl_s;

	if (value_number(text, 0, KUBERNETES_TTL_MAX, &ttl_s) < 0) {
		snprintf(err, COREFILE_ERROR_MAX,
			NEGATIVE_TTL " must be a whole number of seconds from 0 to %d, not '%.64s'",
			KUBERNETES_TTL_MAX, text);
		return -EINVAL;
	}
	options->negative_ttl_s = (uint32_t)ttl_s;
	return 0;
}

int kubernetes_environment_read(struct kubernetes_options *options, char err[COREFILE_ERROR_MAX])
{
	const char *manifests = getenv(MANIFESTS), *negative_ttl = getenv(NEGATIVE_TTL);
	int rc = 0;

	if (manifests && !options->manifests_given && !options->kubeconfig && !options->endpoint)
		rc = manifests_read(options, manifests, err);
	if (rc == 0 && negative_ttl && *negative_ttl && !options->negative_ttl_given)
		rc = negative_ttl_read(options, negative_ttl, err);
	return rc;
}
