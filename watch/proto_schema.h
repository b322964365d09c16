/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_PROTO_SCHEMA_H
#define BINNACLE_WATCH_PROTO_SCHEMA_H

/* The API's messages as far as they are read, as tables. The numbers of fields are part of
 * the API ("Protobuf encoding" in the Kubernetes API concepts): they never change. */

#include "decode.h"

enum proto_form {
	PROTO_TEXT,    /* string; a single one that is "" is as good as absent */
	PROTO_NUMBER,  /* int32 or int64 */
	PROTO_FLAG,    /* bool */
	PROTO_MESSAGE, /* of `message` */
	PROTO_MAP      /* of strings to strings */
};

struct proto_field {
	const char *name; /* in JSON; NULL: the field is not read */
	enum proto_form form;
	bool repeated;
	bool positive;                       /* a NUMBER that is 0 is as good as absent */
	unsigned part;                       /* enum decode_part; 0: always read */
	const struct proto_message *message; /* PROTO_MESSAGE */
};

/* More cannot be told apart from those that came already. */
#define PROTO_FIELDS_MAX 64

struct proto_message {
	const char *kind; /* of an API object; NULL: a part of one */
	bool kind_told;   /* "kind" is to be a member, too */
	unsigned count;   /* of fields, which are found by their number; <= PROTO_FIELDS_MAX */
	const struct proto_field *fields;
};

extern const struct proto_message proto_status, proto_list_meta;
/* An object of a kind that is none of ours: nothing of it is read. */
extern const struct proto_message proto_unknown;

/* A resource's objects. NULL: the API server has them as JSON only (a CRD), or has gone
 * from the field before anything else than JSON was worth it (v1beta1). */
const struct proto_message *proto_message_of(enum resource resource);

#endif
