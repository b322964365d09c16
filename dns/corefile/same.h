/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_COREFILE_SAME_H
#define BINNACLE_DNS_COREFILE_SAME_H

/* Whether two Corefiles, or parts of them, say the same: what is written, once imports,
 * snippets and variables are expanded; not comments, blanks, positions or quotes. */

#include "corefile.h"

#include <stdint.h>

bool corefile_lines_same(const struct corefile_line *const *a, size_t a_count,
	const struct corefile_line *const *b, size_t b_count);

#define COREFILE_DIGEST_LEN 64

/* SHA-512 over all of it. 0 or -ENOMEM. */
int corefile_digest(const struct corefile *corefile, uint8_t out[COREFILE_DIGEST_LEN]);

#endif
