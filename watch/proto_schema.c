/* SPDX-License-Identifier: Apache-2.0 */
#include "proto_schema.h"

#define MESSAGE(table) .count = sizeof(table) / sizeof(table)[0], .fields = table
#define PART_OF(table)                                                                             \
	{                                                                                          \
		MESSAGE(table)                                                                     \
	}
#define OBJECT(kind_, table)                                                                       \
	{                                                                                          \
		.kind = kind_, MESSAGE(table)                                                      \
	}

#define TEXT(name_)                                                                                \
	{                                                                                          \
		.name = name_, .form = PROTO_TEXT                                                  \
	}
#define TEXTS(name_)                                                                               \
	{                                                                                          \
		.name = name_, .form = PROTO_TEXT, .repeated = true                                \
	}
#define NUMBER(name_)                                                                              \
	{                                                                                          \
		.name = name_, .form = PROTO_NUMBER                                                \
	}
#define FLAG(name_)                                                                                \
	{                                                                                          \
		.name = name_, .form = PROTO_FLAG                                                  \
	}
#define MAP(name_)                                                                                 \
	{                                                                                          \
		.name = name_, .form = PROTO_MAP                                                   \
	}
#define ONE(name_, message_)                                                                       \
	{                                                                                          \
		.name = name_, .form = PROTO_MESSAGE, .message = &(message_)                       \
	}
#define MANY(name_, message_)                                                                      \
	{                                                                                          \
		.name = name_, .form = PROTO_MESSAGE, .repeated = true, .message = &(message_)     \
	}

/* ---- of all kinds ---- */

static const struct proto_field object_meta_fields[] = {
	[1] = TEXT("name"),
	[3] = TEXT("namespace"),
	[6] = TEXT("resourceVersion"),
	[12] = MAP("annotations"),
};
static const struct proto_message object_meta = PART_OF(object_meta_fields);

/* A slice's labels say whose it is. */
static const struct proto_field labelled_meta_fields[] = {
	[1] = TEXT("name"),
	[3] = TEXT("namespace"),
	[6] = TEXT("resourceVersion"),
	[11] = MAP("labels"),
	[12] = MAP("annotations"),
};
static const struct proto_message labelled_meta = PART_OF(labelled_meta_fields);

static const struct proto_field list_meta_fields[] = {
	[2] = TEXT("resourceVersion"),
	[3] = TEXT("continue"),
};
const struct proto_message proto_list_meta = PART_OF(list_meta_fields);

static const struct proto_field cause_fields[] = {
	[1] = TEXT("reason"),
};
static const struct proto_message cause = PART_OF(cause_fields);

static const struct proto_field details_fields[] = {
	[4] = MANY("causes", cause),
	[5] = {.name = "retryAfterSeconds", .form = PROTO_NUMBER, .positive = true},
};
static const struct proto_message details = PART_OF(details_fields);

static const struct proto_field status_fields[] = {
	[3] = TEXT("message"),
	[4] = TEXT("reason"),
	[5] = ONE("details", details),
	[6] = NUMBER("code"),
};
const struct proto_message proto_status = {
	.kind = "Status", .kind_told = true, MESSAGE(status_fields)};

const struct proto_message proto_unknown = {.kind = "an unknown kind"};

static const struct proto_field reference_fields[] = {
	[3] = TEXT("name"),
};
static const struct proto_message reference = PART_OF(reference_fields);

/* ---- Namespaces ---- */

static const struct proto_field namespace_fields[] = {
	[1] = ONE("metadata", object_meta),
};
static const struct proto_message namespace_message = OBJECT("Namespace", namespace_fields);

/* ---- Services ---- */

static const struct proto_field service_port_fields[] = {
	[1] = TEXT("name"),
	[2] = TEXT("protocol"),
	[3] = NUMBER("port"),
};
static const struct proto_message service_port = PART_OF(service_port_fields);

static const struct proto_field service_spec_fields[] = {
	[1] = MANY("ports", service_port),
	[3] = TEXT("clusterIP"),
	[4] = TEXT("type"),
	[5] = {.name = "externalIPs",
		.form = PROTO_TEXT,
		.repeated = true,
		.part = DECODE_EXTERNALS},
	[10] = TEXT("externalName"),
	[18] = TEXTS("clusterIPs"),
};
static const struct proto_message service_spec = PART_OF(service_spec_fields);

static const struct proto_field ingress_fields[] = {
	[1] = TEXT("ip"),
	[2] = TEXT("hostname"),
};
static const struct proto_message ingress = PART_OF(ingress_fields);

static const struct proto_field balancer_fields[] = {
	[1] = MANY("ingress", ingress),
};
static const struct proto_message balancer = PART_OF(balancer_fields);

static const struct proto_field service_status_fields[] = {
	[1] = ONE("loadBalancer", balancer),
};
static const struct proto_message service_status = PART_OF(service_status_fields);

static const struct proto_field service_fields[] = {
	[1] = ONE("metadata", object_meta),
	[2] = ONE("spec", service_spec),
	[3] = {.name = "status",
		.form = PROTO_MESSAGE,
		.part = DECODE_EXTERNALS,
		.message = &service_status},
};
static const struct proto_message service_message = OBJECT("Service", service_fields);

/* ---- EndpointSlices, discovery.k8s.io/v1 ---- */

static const struct proto_field conditions_fields[] = {
	[1] = FLAG("ready"),
};
static const struct proto_message conditions = PART_OF(conditions_fields);

static const struct proto_field endpoint_fields[] = {
	[1] = TEXTS("addresses"),
	[2] = ONE("conditions", conditions),
	[3] = TEXT("hostname"),
	[4] = {.name = "targetRef",
		.form = PROTO_MESSAGE,
		.part = DECODE_POD_NAMES,
		.message = &reference},
	[7] = {.name = "zone", .form = PROTO_TEXT, .part = DECODE_ZONES},
};
static const struct proto_message endpoint = PART_OF(endpoint_fields);

static const struct proto_field slice_port_fields[] = {
	[1] = TEXT("name"),
	[2] = TEXT("protocol"),
	[3] = NUMBER("port"),
};
static const struct proto_message slice_port = PART_OF(slice_port_fields);

static const struct proto_field slice_fields[] = {
	[1] = ONE("metadata", labelled_meta),
	[2] = MANY("endpoints", endpoint),
	[3] = MANY("ports", slice_port),
	[4] = TEXT("addressType"),
};
static const struct proto_message slice_message = OBJECT("EndpointSlice", slice_fields);

/* ---- Endpoints ---- */

static const struct proto_field address_fields[] = {
	[1] = TEXT("ip"),
	[2] = {.name = "targetRef",
		.form = PROTO_MESSAGE,
		.part = DECODE_POD_NAMES,
		.message = &reference},
	[3] = TEXT("hostname"),
};
static const struct proto_message address = PART_OF(address_fields);

static const struct proto_field subset_port_fields[] = {
	[1] = TEXT("name"),
	[2] = NUMBER("port"),
	[3] = TEXT("protocol"),
};
static const struct proto_message subset_port = PART_OF(subset_port_fields);

static const struct proto_field subset_fields[] = {
	[1] = MANY("addresses", address),
	[2] = MANY("notReadyAddresses", address),
	[3] = MANY("ports", subset_port),
};
static const struct proto_message subset = PART_OF(subset_fields);

static const struct proto_field endpoints_fields[] = {
	[1] = ONE("metadata", object_meta),
	[2] = MANY("subsets", subset),
};
static const struct proto_message endpoints_message = OBJECT("Endpoints", endpoints_fields);

/* ---- Pods ---- */

static const struct proto_field pod_ip_fields[] = {
	[1] = TEXT("ip"),
};
static const struct proto_message pod_ip = PART_OF(pod_ip_fields);

static const struct proto_field pod_status_fields[] = {
	[1] = TEXT("phase"),
	[6] = TEXT("podIP"),
	[12] = MANY("podIPs", pod_ip),
};
static const struct proto_message pod_status = PART_OF(pod_status_fields);

static const struct proto_field pod_fields[] = {
	[1] = ONE("metadata", object_meta),
	[3] = ONE("status", pod_status),
};
static const struct proto_message pod_message = OBJECT("Pod", pod_fields);

const struct proto_message *proto_message_of(enum resource resource)
{
	switch (resource) {
	case RESOURCE_NAMESPACES:
		return &namespace_message;
	case RESOURCE_SERVICES:
		return &service_message;
	case RESOURCE_SLICES:
	case RESOURCE_IMPORT_SLICES:
		return &slice_message;
	case RESOURCE_ENDPOINTS:
		return &endpoints_message;
	case RESOURCE_PODS:
		return &pod_message;
	case RESOURCE_SLICES_V1BETA1:
	case RESOURCE_IMPORTS:
	case RESOURCE_COUNT:
		break;
	}
	return NULL;
}
