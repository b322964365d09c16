/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_OBSERVE_LOG_H
#define BINNACLE_DNS_OBSERVE_LOG_H

/* The process's log: one line per event on standard output, as CoreDNS writes
 * them, "[LEVEL] text", no time stamp (the container runtime adds one). One
 * write(2) per line, so lines of threads do not mix. Control characters and
 * bytes above 0x7e that are not valid UTF-8 are written as \xHH: text from
 * outside can neither forge a line nor upset a terminal. Never called on the
 * query path; the log plugin batches its own lines with log_raw().
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_FATAL };

/* Plugin messages read "[INFO] plugin/kubernetes: text": give plugin its name,
 * or NULL for the server's own. LOG_DEBUG is dropped unless log_set_debug(true). */
void log_write(enum log_level level, const char *plugin, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void log_writev(enum log_level level, const char *plugin, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

/* Whole lines, already escaped, as they are. */
void log_raw(const char *lines, size_t len);

void log_set_debug(bool on);
bool log_debug(void);
/* Where lines go: file descriptor, default 1. For tests. */
void log_set_fd(int fd);

/* Escape bytes from outside for a log line; always terminates; returns the
 * length written. */
size_t log_escape(const char *data, size_t len, char *out, size_t cap);

#endif
