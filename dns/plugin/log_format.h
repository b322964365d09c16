/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_LOG_FORMAT_H
#define BINNACLE_DNS_PLUGIN_LOG_FORMAT_H

/* The format language of `log`: compiled once at setup, run for each query.
 *
 *	"{remote} {name}!"  ->  [remote] [" "] [name] ["!"]
 *
 * A compiled format is read-only: any number of threads render with it. */

#include "dns/serve/txn.h"

#include "dns/corefile/corefile.h"

struct log_format;

#define LOG_FORMAT_COMMON                                                                          \
	"{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" "       \
	"{rcode} {>rflags} {rsize} {duration}"
#define LOG_FORMAT_COMBINED LOG_FORMAT_COMMON " \"{>opcode}\""

/* A word in braces that is no field is refused; other braces stand for
 * themselves, so that JSON can be written. 0 or negative with a message in err;
 * at is where the format stands in the Corefile. */
int log_format_new(const char *format, const struct corefile_token *at, struct log_format **out,
	char err[COREFILE_ERROR_MAX]);
void log_format_free(struct log_format *format);

/* Write the line for a finished query, without a line break, cut at cap - 1
 * bytes; returns its length. now_ns is what follows txn->start_ns. */
size_t log_format_render(const struct log_format *format, const struct txn *txn, uint64_t now_ns,
	char *out, size_t cap);

/* What the outcome counts as in `class`. */
enum log_class { LOG_SUCCESS = 1, LOG_DENIAL = 2, LOG_FAILURE = 4, LOG_ALL = 7 };
enum log_class log_classify(const struct txn *txn);

#endif
