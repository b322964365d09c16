/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_DOCUMENT_H
#define BINNACLE_WATCH_DOCUMENT_H

/* One document of the API server's, as it came: JSON text, or a protobuf message. */

#include <stddef.h>

struct proto_message;

struct document {
	const char *bytes; /* borrowed; no terminator */
	size_t len;
	const struct proto_message *message; /* what the bytes are; NULL: JSON */
	unsigned parts;                      /* of a message: enum decode_part, what is read */
};

#endif
