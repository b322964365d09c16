/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_CACHE_EXPECT_H
#define BINNACLE_TESTS_CACHE_EXPECT_H

/* One cluster and one asker for a whole test program: objects of the namespace shop
 * come by a line each, and what a name answers is expected by a line each. Include
 * cmocka first. */

#include "ask.h"

#define ZONE ".cluster.local"

static struct ask *asker;
static struct ask_cluster c;

/* ready: the first lists are complete, and empty. */
static inline void expect_start(struct cluster_config config, bool ready)
{
	asker = ask_new();
	c = ask_cluster_of(config);
	if (ready)
		complete_all(&c);
}

/* A teardown. */
static inline int expect_end(void **state)
{
	(void)state;
	ask_free(asker);
	cluster_free(c.cluster);
	return 0;
}

static inline void expect_at(int line, const char *name, const char *type, const char *wanted)
{
	const char *got = ask(asker, c.cluster, name, type);

	if (strcmp(got, wanted) != 0)
		fail_msg("line %d: %s %s: %s, wanted %s", line, name, type, got, wanted);
}
#define expect(name, type, wanted) expect_at(__LINE__, name, type, wanted)

static inline void service(
	const char *name, enum service_type type, const char *what, const char *ports)
{
	put(&c, make_service_ports("shop", name, 2, type, what, ports));
	settle(&c);
}

static inline void slice(const char *name, const char *of, const char *endpoints, const char *ports)
{
	put(&c, make_slice_ports("shop", name, of, 3, endpoints, ports));
	settle(&c);
}

#endif
