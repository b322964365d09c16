/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_OBSERVE_PROCESS_H
#define BINNACLE_DNS_OBSERVE_PROCESS_H

/* The process's own figures (process_*), read from /proc at each look. What cannot be
 * read is left out. */

#include "metric.h"

struct process {
	double start_s; /* since the epoch; 0: not known */
};

/* Outlives the metrics. 0 or -ENOMEM. */
int process_measure(struct process *process, struct metrics *metrics);

#endif
