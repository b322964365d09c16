/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STAT_MAX 2048

/* Fields of /proc/self/stat (proc(5)) behind the command, which may have blanks and
 * parentheses in it: the first one is field 3. */
enum { FIELD_FIRST = 3, FIELD_THREADS = 20, FIELD_START = 22, FIELD_VIRTUAL, FIELD_RESIDENT };

static bool stat_read(double fields[FIELD_RESIDENT + 1])
{
	char text[STAT_MAX];
	const int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	const ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	char *at;

	if (fd >= 0)
		close(fd);
	if (len <= 0)
		return false;
	text[len] = 0;
	at = strrchr(text, ')');
	if (!at || strlen(at) < 4)
		return false;
	at += 4; /* ") S": the state is the one field that is no number */
	for (int i = FIELD_FIRST + 1; i <= FIELD_RESIDENT; i++)
		fields[i] = strtod(at, &at);
	return fields[FIELD_VIRTUAL] > 0;
}

/* When the host booted, in seconds since the epoch; 0: not known. */
static double boot_time(void)
{
	FILE *file = fopen("/proc/stat", "re");
	char *line = NULL;
	size_t cap = 0;
	unsigned long long btime = 0;

	while (file && btime == 0 && getline(&line, &cap, file) > 0) {
		if (strncmp(line, "btime ", 6) == 0)
			btime = strtoull(line + 6, NULL, 10);
	}
	free(line);
	if (file)
		fclose(file);
	return (double)btime;
}

static void put(struct metric_page *page, enum metric_id id, double value)
{
	metric_put(page, id, NULL, value);
}

static void put_descriptors(struct metric_page *page)
{
	DIR *folder = opendir("/proc/self/fd");
	struct rlimit limit;
	unsigned count = 0;

	if (folder) {
		for (const struct dirent *entry; (entry = readdir(folder));)
			count += entry->d_name[0] != '.';
		closedir(folder);
		put(page, METRIC_PROCESS_OPEN_FDS, count - 1); /* without the folder's own */
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		put(page, METRIC_PROCESS_MAX_FDS, (double)limit.rlim_cur);
}

static void process_collect(void *user, struct metric_page *page)
{
	const struct process *process = user;
	double fields[FIELD_RESIDENT + 1] = {0};
	struct timespec cpu;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
		put(page, METRIC_PROCESS_CPU, (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
	put_descriptors(page);
	if (stat_read(fields)) {
		put(page, METRIC_PROCESS_VIRTUAL, fields[FIELD_VIRTUAL]);
		put(page, METRIC_PROCESS_RESIDENT,
			fields[FIELD_RESIDENT] * (double)sysconf(_SC_PAGESIZE));
		put(page, METRIC_PROCESS_THREADS, fields[FIELD_THREADS]);
	}
	if (process->start_s > 0)
		put(page, METRIC_PROCESS_START, process->start_s);
}

int process_measure(struct process *process, struct metrics *metrics)
{
	double fields[FIELD_RESIDENT + 1] = {0};
	const double boot = boot_time();

	process->start_s = 0;
	if (boot > 0 && stat_read(fields))
		process->start_s = boot + fields[FIELD_START] / (double)sysconf(_SC_CLK_TCK);
	return metrics_collect(metrics, process_collect, process);
}
