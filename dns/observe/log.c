/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX    4096           /* of one event; the rest is cut off */
#define ESCAPED_MAX (4 * TEXT_MAX) /* each byte as \xHH */
#define WAIT_MS     100

/* The log is the process's: these two are its only state, set at start-up. */
static atomic_int output_fd = STDOUT_FILENO;
static atomic_bool debug_on;

void log_set_debug(bool on)
{
	atomic_store_explicit(&debug_on, on, memory_order_relaxed);
}

bool log_debug(void)
{
	return atomic_load_explicit(&debug_on, memory_order_relaxed);
}

void log_set_fd(int fd)
{
	atomic_store_explicit(&output_fd, fd, memory_order_relaxed);
}

/* A reader that does not read (a full non-blocking pipe) may cost a moment, never
 * more: what it does not take is dropped. */
static bool output_wait(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

	return poll(&poll_fd, 1, WAIT_MS) == 1 && (poll_fd.revents & POLLOUT);
}

void log_raw(const char *lines, size_t len)
{
	int fd = atomic_load_explicit(&output_fd, memory_order_relaxed);

	while (len) {
		ssize_t written = write(fd, lines, len);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && output_wait(fd))
			continue;
		if (written <= 0)
			return;
		lines += written;
		len -= (size_t)written;
	}
}

/* Characters that a terminal or a viewer acts on: C1 controls, line and paragraph
 * separators, and those that turn the direction of writing. */
static bool character_is_safe(uint32_t c)
{
	return c >= 0xa0 && !(c >= 0x200e && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) &&
	       !(c >= 0x2066 && c <= 0x2069) && c != 0xfeff;
}

/* Length of the UTF-8 character at data if it may be written as it is, else 0
 * (RFC 3629: no overlong form, no surrogate, at most U+10FFFF). */
static size_t safe_length(const char *data, size_t len)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t lead = (uint8_t)data[0];
	size_t size = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
	uint32_t c;

	if (lead >= 0x20 && lead < 0x7f)
		return 1;
	if (size == 0 || size > len)
		return 0;
	c = lead & (0x7fu >> size);
	for (size_t i = 1; i < size; i++) {
		if (((uint8_t)data[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | ((uint8_t)data[i] & 0x3f);
	}
	if (c < least[size] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return character_is_safe(c) ? size : 0;
}

size_t log_escape(const char *data, size_t len, char *out, size_t cap)
{
	static const char hex[] = "0123456789abcdef";
	size_t used = 0;

	if (cap == 0)
		return 0;
	for (size_t i = 0; i < len;) {
		size_t size = safe_length(data + i, len - i);
		uint8_t byte = (uint8_t)data[i];

		if ((size ? size : 4) >= cap - used)
			break;
		if (size) {
			memcpy(out + used, data + i, size);
			used += size;
			i += size;
			continue;
		}
		memcpy(out + used, (char[]){'\\', 'x', hex[byte >> 4], hex[byte & 0xf]}, 4);
		used += 4;
		i++;
	}
	out[used] = 0;
	return used;
}

void log_writev(enum log_level level, const char *plugin, const char *format, va_list args)
{
	static const char *const names[] = {
		[LOG_DEBUG] = "DEBUG",
		[LOG_INFO] = "INFO",
		[LOG_WARNING] = "WARNING",
		[LOG_ERROR] = "ERROR",
		[LOG_FATAL] = "FATAL",
	};
	char text[TEXT_MAX], line[ESCAPED_MAX + 128];
	size_t len;
	int size;

	if (level == LOG_DEBUG && !log_debug())
		return;
	len = (size_t)snprintf(line, 128, "[%s] %s%.64s%s", names[level], plugin ? "plugin/" : "",
		plugin ? plugin : "", plugin ? ": " : "");
	size = vsnprintf(text, sizeof text, format, args);
	if (size < 0)
		return;
	if ((size_t)size >= sizeof text)
		memcpy(text + sizeof text - 4, "...", 4);
	len += log_escape(text, strlen(text), line + len, sizeof line - len - 1);
	line[len++] = '\n';
	log_raw(line, len);
}

void log_write(enum log_level level, const char *plugin, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_writev(level, plugin, format, args);
	va_end(args);
}
