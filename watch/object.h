/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_OBJECT_H
#define BINNACLE_WATCH_OBJECT_H

/* The Kubernetes objects that DNS is made of, reduced to what DNS needs.
 *
 * Every object is ONE allocation: the struct, then its strings and packed
 * address arrays behind it, with the pointers pointing inside. object_free()
 * is therefore one free(), and 150,000 endpoints cost their addresses and
 * little more. Objects are immutable once made.
 *
 * decode.c makes them (from one JSON document each); whoever the sink hands
 * them to owns them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum object_kind {
	KIND_NAMESPACE,
	KIND_SERVICE,
	KIND_SLICE, /* EndpointSlice v1 or v1beta1, or a core Endpoints object */
	KIND_POD,
	KIND_IMPORT,       /* ServiceImport: a Service of a set of clusters */
	KIND_IMPORT_SLICE, /* an EndpointSlice that another cluster of the set has filled */
	KIND_COUNT
};

/* A set of kinds: bit 1 << kind. */
#define KIND_BIT(kind) (1u << (unsigned)(kind))

/* What every kind starts with. */
struct object {
	uint8_t kind;     /* enum object_kind */
	uint32_t size;    /* bytes of the whole allocation */
	uint64_t version; /* metadata.resourceVersion; 0: none (manifests) */
	const char *ns;   /* "" for a Namespace */
	const char *name;
};

/* An address of either family; v4 uses the first 4 bytes. */
struct ip {
	uint8_t family; /* 4 or 6 */
	uint8_t bytes[16];
};

/* A port of a Service, or of the endpoints of a slice. */
struct port {
	int32_t number;       /* 0 to 65535; -1: the object has a port without a number */
	const char *name;     /* "" : unnamed; as written */
	const char *protocol; /* as written, "TCP" where absent */
};

enum service_type {
	SERVICE_CLUSTER_IP, /* ClusterIP, NodePort and LoadBalancer */
	SERVICE_HEADLESS,   /* clusterIP "None" */
	SERVICE_EXTERNAL_NAME
};

/* A ServiceImport has the same form (KIND_IMPORT): ClusterSetIP is CLUSTER_IP, and
 * ips are the set's. */
struct service {
	struct object head;
	uint8_t type; /* enum service_type */
	uint8_t ip_count;
	uint16_t port_count;
	const struct ip *ips;      /* cluster IPs, in the object's order */
	const struct port *ports;  /* in the object's order */
	const char *external_name; /* EXTERNAL_NAME only, as written; else NULL */
	/* Where it is reached from outside, in the object's order; none unless they are
	 * asked for (decode.h). */
	const struct ip *external_ips;
	const char *const *external_hosts; /* as written */
	uint8_t external_ip_count;
	uint8_t external_host_count;
};

/* Addresses of a slice that have the same ports. */
struct slice_group {
	uint32_t v4_count;
	uint32_t v6_count;
	uint16_t port_count;
	const struct port *ports; /* in the object's order */
};

/* The READY addresses of one slice (conditions.ready true or absent).
 * Addresses are packed, 4 and 16 bytes each, in the object's order. The
 * hostname arrays run beside them and are NULL where no endpoint of that
 * family has a hostname; an entry is NULL where that endpoint has none.
 *
 * Ports are those of a group: the addresses of the groups lie one behind the
 * other, in the order of the groups, and the groups' counts add up to the
 * slice's. An EndpointSlice has exactly one, with all of its addresses; an
 * Endpoints object one per subset, and one for subsets with the same ports that
 * follow each other. With subsets a (80: 10.1.0.1), b (81: 10.1.0.2 fd00::2):
 *
 *	groups  {1, 0, ports 80}  {1, 1, ports 81}
 *	v4      10.1.0.1           10.1.0.2
 *	v6                         fd00::2
 *
 * The arrays of topology zones are like those of hostnames, and NULL unless they are
 * asked for (decode.h).
 *
 * An object made from an identity (decode.h) has none. */
struct endpoint_slice {
	struct object head;
	const char *service; /* the Service's name, or the import's; never NULL or "" */
	const char *
		cluster; /* IMPORT_SLICE: the source cluster's id as written, "": none; else NULL */
	uint32_t v4_count;
	uint32_t v6_count;
	uint32_t unready; /* endpoints that were left out as not ready */
	uint16_t group_count;
	const struct slice_group *groups;
	const uint8_t *v4;
	const uint8_t *v6;
	const char *const *v4_hostnames;
	const char *const *v6_hostnames;
	const char *const *v4_zones;
	const char *const *v6_zones;
};

struct namespace
{
	struct object head;
};

struct pod {
	struct object head;
	uint8_t ip_count;
	const struct ip *ips; /* status.podIPs, the primary one first */
};

/* Free an object of any kind; NULL is allowed. */
void object_free(struct object *object);

/* True if a and b (same kind) are the same for DNS: everything but
 * head.version and head.size equal. */
bool object_same(const struct object *a, const struct object *b);

/* "services", "endpointslices", "namespaces", "pods", "serviceimports": the
 * resource's name as RBAC and messages spell it; "imported endpointslices" where two
 * kinds are the same resource. */
const char *object_kind_name(enum object_kind kind);

#endif
