/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a file of weights: a mistake has its line, and every weight is one. */

#include "dns/plugin/weights.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t owner[] = "\3www\7example\3org";
	static const uint8_t address[16] = {192, 0, 2, 1};
	struct weights *weights = NULL;
	char err[256] = "";
	unsigned weight;

	if (size > WEIGHTS_FILE_MAX)
		return 0;
	if (weights_parse((const char *)data, size, "w", &weights, err, sizeof err) < 0) {
		if (weights || strncmp(err, "w:", 2) != 0)
			abort();
		return 0;
	}
	for (size_t len = 4; len <= 16; len += 12) {
		weight = weights_get(weights, owner, sizeof owner, address, len);
		if (weight < 1 || weight > 255)
			abort();
	}
	weights_free(weights);
	return 0;
}
