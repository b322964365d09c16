# SPDX-License-Identifier: Apache-2.0
"""Random ServiceImports and imported slices (KEP-1645) of a generated cluster.
Names are those of Services, so that both kinds are often there under one name."""

import copy

from cluster_gen import SERVICES

IMPORT_NAME = "multicluster.kubernetes.io/service-name"
CLUSTER_ID = "multicluster.kubernetes.io/source-cluster"
CLUSTERS = ("east", "west", "East-2", "c" * 63, "tcp", "0")
NO_LABELS = ("a_b", "no.label", "", None)  # ids that cannot be a label of a host name; None: not said


def service_import(gen, ns, name):
    ips = [] if gen.chance(0.6) else [address(gen, family) for family in gen.families()]
    spec = {"type": "ClusterSetIP" if ips else "Headless", "ips": ips, "ports": gen.service_ports(0)}
    return {"apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "ServiceImport", "spec": spec,
            "metadata": {"namespace": ns, "name": name, "labels": gen.labels()}}


def address(gen, family):
    """Now and then one of the cluster's own."""
    if gen.chance(0.1):
        return gen.address(family)
    if family == "IPv4":
        return "10.42.%d.%d" % (gen.number(1, 255), gen.number(0, 255))
    return "fd00:42::%x" % gen.number(2, 0xffff)


def import_slice(gen, ns, name, thing=None):
    """thing: the import, if there is one; its ports are those of a Service."""
    owner = thing and dict(thing, metadata=dict(thing["metadata"], name=name))
    out = gen.endpoint_slice(ns, owner, name, fqdn=False)
    labels = out["metadata"]["labels"]
    if not gen.chance(0.05):  # otherwise also a slice of the Service of that name
        del labels["kubernetes.io/service-name"]
    labels[IMPORT_NAME] = name
    cluster = gen.rng.choice(CLUSTERS) if gen.chance(0.85) else gen.rng.choice(NO_LABELS)
    if cluster is not None:
        labels[CLUSTER_ID] = cluster
    return out


def add(gen, operations, ns, name):
    thing = service_import(gen, ns, name)
    gen.put(operations, "create", thing)
    for _ in range(gen.rng.choice((0, 1, 2, 2, 3))):
        gen.put(operations, "create", import_slice(gen, ns, name, thing))


def build(gen, operations):
    for ns in gen.namespaces():
        for name in gen.rng.sample(SERVICES, gen.number(1, 6)):
            add(gen, operations, ns, name)
        if gen.chance(0.3):
            gen.put(operations, "create", import_slice(gen, ns, "orphan"))


def change(gen, operations):
    gen.rng.choice((change_import, change_import, add_more, add_more, remove))(gen, operations)


def change_import(gen, operations):
    thing = copy.deepcopy(gen.pick("ServiceImport"))
    if thing:
        meta = thing["metadata"]
        thing["spec"] = service_import(gen, meta["namespace"], meta["name"])["spec"]
        gen.put(operations, "replace", thing)


def add_more(gen, operations):
    ns, name = gen.rng.choice(gen.namespaces()), gen.rng.choice(SERVICES)
    thing = gen.state.get(("ServiceImport", ns, name))
    if thing is None:
        add(gen, operations, ns, name)
    else:
        gen.put(operations, "create", import_slice(gen, ns, name, thing))


def remove(gen, operations):
    thing = gen.pick("ServiceImport")
    if thing:
        gen.put(operations, "delete", thing)
