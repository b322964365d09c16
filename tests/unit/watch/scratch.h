/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_UNIT_WATCH_SCRATCH_H
#define BINNACLE_TESTS_UNIT_WATCH_SCRATCH_H

/* A folder of a test's own, files in it, PEM texts, and a loop that is run until
 * something has happened. Everything a test of files needs; include it instead of
 * cmocka.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <ftw.h>
#include <uv.h>

struct scratch {
	char dir[64];
	char path[256]; /* of the last scratch_path() */
};

#define assert_says(text, part)                                                                    \
	do {                                                                                       \
		if (!strstr(text, part))                                                           \
			fail_msg("'%s' does not say '%s'", text, part);                            \
	} while (0)

static inline void scratch_make(struct scratch *s)
{
	strcpy(s->dir, "/tmp/binnacle-test-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
}

static inline int scratch_remove_one(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void scratch_remove(struct scratch *s)
{
	assert_int_equal(nftw(s->dir, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Valid until the next call. */
static inline const char *scratch_path(struct scratch *s, const char *name)
{
	snprintf(s->path, sizeof s->path, "%s/%s", s->dir, name);
	return s->path;
}

static inline void scratch_write(struct scratch *s, const char *name, const char *text)
{
	FILE *file = fopen(scratch_path(s, name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

#define SCRATCH_TURN_MS  5
#define SCRATCH_TURN_MAX 4000

static inline void scratch_turn_due(uv_timer_t *timer)
{
	++*(unsigned *)timer->data;
}

/* Turn the loop until *until, or fail after twenty seconds. A turn runs the timers
 * and then waits for something else, so a timer of our own ends its waiting. */
static inline void loop_run(uv_loop_t *loop, const bool *until)
{
	uv_timer_t turn;
	unsigned turns = 0;

	uv_timer_init(loop, &turn);
	turn.data = &turns;
	uv_timer_start(&turn, scratch_turn_due, SCRATCH_TURN_MS, SCRATCH_TURN_MS);
	while (!*until && turns < SCRATCH_TURN_MAX)
		uv_run(loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&turn, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
	assert_true(*until);
}

/* DER in form only: a SEQUENCE. */
#define PEM_CERT_A "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"
#define PEM_CERT_B "-----BEGIN CERTIFICATE-----\nMAMCAQI=\n-----END CERTIFICATE-----\n"
#define PEM_KEY_A  "-----BEGIN PRIVATE KEY-----\nMAMCAQM=\n-----END PRIVATE KEY-----\n"

#endif
