/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a resolv.conf: what comes out are names and addresses, and no more of them
 * than there is room for. */

#include "dns/plugin/resolv_conf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct resolv_conf conf;

	resolv_conf_parse((const char *)data, size, &conf);
	if (conf.server_count > RESOLV_CONF_MAX || conf.search_count > RESOLV_CONF_MAX)
		abort();
	for (size_t i = 0; i < conf.search_count; i++) {
		if (name_wire_check(conf.search[i].wire, conf.search[i].len) != conf.search[i].len)
			abort();
	}
	return 0;
}
