/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_SERVER_H
#define BINNACLE_DNS_SERVER_H

/* The server's life: configuration, listeners, plugins, signals, lameduck, stop. */

#include "options.h"

/* Run until a signal ends it. Returns the process's exit status: 0, or 1 after a
 * failure at the start (which was told on standard error). */
int server_run(const struct options *options);

#endif
