/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include "dns/corefile/corefile.h"
#include "dns/corefile/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct flag {
	const char *name;
	bool takes_value;
	const char *wanted; /* what its value is */
	/* value is NULL for a flag that takes none. */
	int (*set)(struct options *options, const char *value);
};

static int set_conf(struct options *options, const char *value)
{
	options->conf = value;
	options->conf_given = true;
	return *value ? 0 : -EINVAL;
}

static int set_port(struct options *options, const char *value)
{
	int64_t port;

	if (value_number(value, 1, 65535, &port) < 0)
		return -EINVAL;
	options->port = (uint16_t)port;
	return 0;
}

static int set_pidfile(struct options *options, const char *value)
{
	options->pidfile = value;
	return *value ? 0 : -EINVAL;
}

static int set_quiet(struct options *options, const char *value)
{
	(void)value;
	options->quiet = true;
	return 0;
}

/* These are the environment's variables by another name (plugin/kubernetes.h). */
static int set_manifests(struct options *options, const char *value)
{
	(void)options;
	return *value ? setenv("BINNACLE_KUBERNETES_MANIFESTS", value, 1) : -EINVAL;
}

static int set_negative_ttl(struct options *options, const char *value)
{
	int64_t ttl_s;

	(void)options;
	if (value_number(value, 0, 3600, &ttl_s) < 0)
		return -EINVAL;
	return setenv("BINNACLE_KUBERNETES_NEGATIVE_TTL", value, 1);
}

static int set_version(struct options *options, const char *value)
{
	(void)value;
	options->action = OPTIONS_VERSION;
	return 0;
}

static int set_plugins(struct options *options, const char *value)
{
	(void)value;
	options->action = OPTIONS_PLUGINS;
	return 0;
}

static int set_help(struct options *options, const char *value)
{
	(void)value;
	options->action = OPTIONS_HELP;
	return 0;
}

static const struct flag flag_table[] = {
	{"conf", true, "a file name", set_conf},
	{"dns.port", true, "a port number (1 to 65535)", set_port},
	{"h", false, NULL, set_help},
	{"help", false, NULL, set_help},
	{"kubernetes.manifests", true, "a list of paths", set_manifests},
	{"kubernetes.negative_ttl", true, "a whole number of seconds from 0 to 3600",
		set_negative_ttl},
	{"p", true, "a port number (1 to 65535)", set_port},
	{"pidfile", true, "a file name", set_pidfile},
	{"plugins", false, NULL, set_plugins},
	{"quiet", false, NULL, set_quiet},
	{"version", false, NULL, set_version},
};
#define FLAG_COUNT (sizeof flag_table / sizeof *flag_table)

const char *options_help(void)
{
	return "usage: binnacle [-conf FILE] [-dns.port N] [-pidfile FILE] [-quiet]\n"
	       "  -conf FILE      the Corefile to read (default ./Corefile; stdin reads a pipe)\n"
	       "  -dns.port N     port for server blocks that name none (default 53); also -p\n"
	       "  -kubernetes.manifests PATHS      for kubernetes without 'manifests'\n"
	       "  -kubernetes.negative_ttl SECONDS for kubernetes without 'negative_ttl'\n"
	       "  -pidfile FILE   write the process number there\n"
	       "  -plugins        list the plugins and leave\n"
	       "  -quiet          say nothing at the start\n"
	       "  -version        print the version and leave\n";
}

static const struct flag *flag_find(const char *name, size_t len)
{
	for (size_t i = 0; i < FLAG_COUNT; i++) {
		if (strlen(flag_table[i].name) == len &&
			strncmp(flag_table[i].name, name, len) == 0)
			return &flag_table[i];
	}
	return NULL;
}

static int flag_refuse(const char *text, const char *name, size_t len, char *err)
{
	const char *known[FLAG_COUNT + 1] = {NULL};
	const char *nearest;
	char word[64];

	for (size_t i = 0; i < FLAG_COUNT; i++)
		known[i] = flag_table[i].name;
	snprintf(word, sizeof word, "%.*s", (int)(len > 60 ? 60 : len), name);
	nearest = corefile_nearest(word, known);
	if (nearest)
		snprintf(err, OPTIONS_ERROR_MAX, "unknown flag %.100s; did you mean -%s?", text,
			nearest);
	else
		snprintf(
			err, OPTIONS_ERROR_MAX, "unknown flag %.100s; -help lists the flags", text);
	return -EINVAL;
}

/* One argument (and its value); returns how many of argv it took, or -EINVAL. */
static int flag_read(struct options *options, char **argv, char *err)
{
	const char *name = argv[0] + 1;
	const char *value = NULL;
	const struct flag *flag;
	size_t len;
	int took = 1;

	if (*name == '-')
		name++;
	len = strcspn(name, "=");
	if (name[len] == '=')
		value = name + len + 1;
	flag = flag_find(name, len);
	if (!flag)
		return flag_refuse(argv[0], name, len, err);
	if (flag->takes_value && !value) {
		value = argv[1];
		took = 2;
	}
	if (flag->takes_value ? !value : value != NULL) {
		snprintf(err, OPTIONS_ERROR_MAX, "flag -%s %s", flag->name,
			value ? "takes no value" : "needs a value");
		return -EINVAL;
	}
	if (flag->set(options, value) < 0) {
		snprintf(err, OPTIONS_ERROR_MAX, "flag -%s: '%.100s' is not %s", flag->name, value,
			flag->wanted);
		return -EINVAL;
	}
	return took;
}

int options_read(int argc, char **argv, struct options *out, char err[OPTIONS_ERROR_MAX])
{
	struct options options = {.conf = "Corefile", .port = 53};

	for (int i = 1; i < argc;) {
		int took;

		if (argv[i][0] != '-' || argv[i][1] == '\0') {
			snprintf(err, OPTIONS_ERROR_MAX,
				"'%.100s' is no flag; the Corefile is named by -conf FILE",
				argv[i]);
			return -EINVAL;
		}
		took = flag_read(&options, argv + i, err);
		if (took < 0)
			return took;
		i += took;
	}
	*out = options;
	return 0;
}
