/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/list.h"
#include "options.h"
#include "server.h"

#include <stdio.h>
#include <sys/utsname.h>

static void version_print(void)
{
	struct utsname host;

	printf("Binnacle-%s\n", BINNACLE_VERSION);
	if (uname(&host) == 0)
		printf("%s/%s, %s\n", host.sysname, host.machine, __VERSION__);
}

static void plugins_print(void)
{
	for (size_t i = 0; plugin_list[i]; i++)
		printf("dns.%s\n", plugin_list[i]->name);
}

int main(int argc, char **argv)
{
	struct options options;
	char err[OPTIONS_ERROR_MAX];

	if (options_read(argc, argv, &options, err) < 0) {
		fprintf(stderr, "binnacle: %s\n%s", err, options_help());
		return 2;
	}
	switch (options.action) {
	case OPTIONS_VERSION:
		version_print();
		return 0;
	case OPTIONS_PLUGINS:
		plugins_print();
		return 0;
	case OPTIONS_HELP:
		fputs(options_help(), stdout);
		return 0;
	case OPTIONS_RUN:
		break;
	}
	return server_run(&options);
}
