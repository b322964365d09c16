/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_OPTIONS_H
#define BINNACLE_DNS_OPTIONS_H

/* The command line: CoreDNS's flags, with one or two dashes, "-flag value" or
 * "-flag=value". */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum options_action {
	OPTIONS_RUN,
	OPTIONS_VERSION, /* print it and leave */
	OPTIONS_PLUGINS,
	OPTIONS_HELP,
};

struct options {
	enum options_action action;
	const char *conf; /* "stdin" reads a pipe; points into argv or is a constant */
	bool conf_given;
	uint16_t port;       /* for keys without one */
	const char *pidfile; /* NULL: none */
	bool quiet;
};

#define OPTIONS_ERROR_MAX 256

/* 0, or -EINVAL with a message that says what to do; out is untouched then. */
int options_read(int argc, char **argv, struct options *out, char err[OPTIONS_ERROR_MAX]);

/* The text of -help. */
const char *options_help(void);

#endif
