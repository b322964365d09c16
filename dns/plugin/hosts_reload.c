/* SPDX-License-Identifier: Apache-2.0 */
/* Follows the file.
 *
 *	       reload                      over
 *	WAIT ----------> LOOK (on a pool thread) ----> PUBLISH (on the control loop) -> WAIT
 *
 * The look is a look at the file's stamp and, if it is another, reading and parsing it
 * whole: it may take a second for a list of a million names, in which neither answers
 * nor the API server wait. Publishing is the store of one pointer.
 *
 * A file that cannot be read changes nothing of what is answered, and is logged once for
 * each reason. A file that is too large is looked at again only when it changes. */

#include "hosts.h"

#include "dns/observe/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one look, on any thread ---- */

static int table_make(struct hosts *hosts, const char *text, size_t len, struct hosts_table **out)
{
	const struct hosts_options *options = &hosts->options;
	struct hosts_builder *builder = hosts_builder_new(&hosts->rules);
	int rc = builder ? hosts_text_read(text, len, builder, &hosts->load.faults) : -ENOMEM;

	for (size_t i = 0; i < options->inline_count && rc == 0; i++)
		rc = hosts_builder_add(
			builder, &options->inlines[i].address, &options->inlines[i].name);
	if (rc == 0)
		rc = hosts_builder_end(builder, out);
	hosts_builder_free(builder);
	return rc;
}

static void look(struct hosts *hosts)
{
	struct hosts_load *load = &hosts->load;
	char *text;
	size_t len;

	*load = (struct hosts_load){0};
	load->rc = hosts_file_read(hosts->options.path, &hosts->stamp, &text, &len);
	if (load->rc != 0)
		return;
	load->rc = table_make(hosts, text, len, &load->table);
	free(text);
	if (load->rc == -ENOMEM)
		hosts->stamp.known = false;
}

/* ---- what comes of it, on the control loop ---- */

static const char *reason(int rc)
{
	switch (rc) {
	case -EFBIG:
		return "it is larger than 64 MiB";
	case -E2BIG:
		return "it has more than two million names";
	case -EOPNOTSUPP:
		return "it is no file";
	default:
		return strerror(-rc);
	}
}

static void tell_failure(struct hosts *hosts, int rc, bool first)
{
	const struct corefile_token *at = &hosts->options.at;

	if (rc == hosts->told)
		return;
	hosts->told = rc;
	if (first)
		log_write(LOG_WARNING, "hosts",
			"%s:%u:%u: cannot read '%s': %s; until it can be read only what stands in "
			"the Corefile is answered%s",
			at->file, at->line, at->col, hosts->options.path, reason(rc),
			hosts->options.reload_ms ? "" : ", and with 'reload 0' nobody looks again");
	else
		log_write(LOG_WARNING, "hosts",
			"cannot read '%s': %s; what was last read of it is served on",
			hosts->options.path, reason(rc));
}

static void tell_faults(const struct hosts *hosts)
{
	const struct hosts_faults *faults = &hosts->load.faults;
	const size_t shown =
		faults->count < HOSTS_FAULTS_MAX ? faults->count : (size_t)HOSTS_FAULTS_MAX;

	for (size_t i = 0; i < shown; i++)
		log_write(LOG_WARNING, "hosts", "%s:%u: '%s' %s", hosts->options.path,
			faults->first[i].line, faults->first[i].text,
			hosts_fault_says(faults->first[i].kind));
	if (faults->count > shown)
		log_write(LOG_WARNING, "hosts", "%s: %zu further lines or names are passed over",
			hosts->options.path, faults->count - shown);
}

static void table_drop(void *table)
{
	hosts_table_free(table);
}

static void publish(struct hosts *hosts, struct hosts_table *table)
{
	struct hosts_table *old =
		atomic_exchange_explicit(&hosts->table, table, memory_order_acq_rel);
	const struct timespec *changed = &hosts->stamp.changed;

	hosts_metrics_set(hosts->metrics, hosts_table_records(table),
		hosts->stamp.known ? (int64_t)changed->tv_sec * 1000000000 + changed->tv_nsec : 0);
	if (!old)
		return;
	epoch_retire(&hosts->bin, old, hosts_table_bytes(old), table_drop);
	epoch_reclaim(&hosts->bin);
}

static void take(struct hosts *hosts, bool first)
{
	struct hosts_load *load = &hosts->load;

	if (load->rc < 0) {
		tell_failure(hosts, load->rc, first);
		return;
	}
	if (load->rc == 0) {
		tell_faults(hosts);
		publish(hosts, load->table);
		load->table = NULL;
		log_write(LOG_INFO, "hosts", "'%s' is read: %zu records", hosts->options.path,
			hosts_table_records(
				atomic_load_explicit(&hosts->table, memory_order_relaxed)));
	} else if (hosts->told) {
		log_write(LOG_INFO, "hosts", "'%s' is there again, unchanged", hosts->options.path);
	}
	hosts->told = 0;
}

/* ---- the loop ---- */

static void finish(struct hosts *hosts)
{
	if (hosts->done && !hosts->timer_open && !hosts->working)
		hosts->done(hosts->user);
}

static void on_look(uv_work_t *work)
{
	look(work->data);
}

static void on_timer(uv_timer_t *timer);

static void on_looked(uv_work_t *work, int status)
{
	struct hosts *hosts = work->data;

	hosts->working = false;
	if (status == 0 && !hosts->done)
		take(hosts, false);
	if (hosts->done)
		finish(hosts);
	else
		uv_timer_start(&hosts->timer, on_timer, hosts->options.reload_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct hosts *hosts = timer->data;

	hosts->working = uv_queue_work(timer->loop, &hosts->work, on_look, on_looked) == 0;
	if (!hosts->working)
		uv_timer_start(timer, on_timer, hosts->options.reload_ms, 0);
}

int hosts_reload_start(struct hosts *hosts, struct uv_loop_s *loop)
{
	look(hosts);
	take(hosts, true);
	if (hosts->load.rc < 0) {
		struct hosts_table *table;
		const int rc = table_make(hosts, "", 0, &table);

		if (rc < 0)
			return rc;
		publish(hosts, table);
	}
	if (!hosts->options.reload_ms)
		return 0;
	uv_timer_init(loop, &hosts->timer);
	hosts->timer_open = true;
	hosts->timer.data = hosts->work.data = hosts;
	return uv_timer_start(&hosts->timer, on_timer, hosts->options.reload_ms, 0);
}

static void on_closed(uv_handle_t *handle)
{
	struct hosts *hosts = handle->data;

	hosts->timer_open = false;
	finish(hosts);
}

void hosts_reload_stop(struct hosts *hosts, void (*done)(void *user), void *user)
{
	hosts->done = done;
	hosts->user = user;
	if (hosts->working) /* one that has begun is waited for */
		uv_cancel((uv_req_t *)&hosts->work);
	if (hosts->timer_open)
		uv_close((uv_handle_t *)&hosts->timer, on_closed);
	else
		finish(hosts);
}

void hosts_reload_free(struct hosts *hosts)
{
	hosts_table_free(hosts->load.table);
	hosts_table_free(atomic_load_explicit(&hosts->table, memory_order_relaxed));
	epoch_bin_free(&hosts->bin);
}
