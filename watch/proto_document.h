/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_PROTO_DOCUMENT_H
#define BINNACLE_WATCH_PROTO_DOCUMENT_H

/* The envelope that an API object comes in by itself ("Protobuf encoding" in the Kubernetes
 * API concepts): four bytes, and a message Unknown with the object's kind and bytes. Pure. */

#include "document.h"
#include "proto_schema.h"

#define PROTO_CONTENT_TYPE "application/vnd.kubernetes.protobuf"

#define PROTO_MAGIC     "k8s"
#define PROTO_MAGIC_LEN 4 /* with the NUL */
/* Fields of Unknown, and of the TypeMeta in it. */
#define PROTO_TYPE_META        1
#define PROTO_RAW              2
#define PROTO_CONTENT_ENCODING 3
#define PROTO_TYPE_META_KIND   2

/* Is a body of this content type such a message, or a stream of them? */
bool proto_content_type(const char *content_type);

/* The document in an envelope: of the message `wanted` (may be NULL), a Status, or proto_unknown.
 * False: it is no envelope. */
bool proto_document(const char *bytes, size_t len, const struct proto_message *wanted,
	unsigned parts, struct document *out);

#endif
