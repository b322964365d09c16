# SPDX-License-Identifier: Apache-2.0
"""Made-up replies in zones of `multicluster` and at names of `zonal`, and what is right
instead: for test_compare.py."""

import import_gen
from cluster_gen import SERVICE_NAME
from message import Question, Record, Reply

ZONE = "clusterset.local."
SOA = Record(ZONE, "SOA", 1, 5, ("ns.dns." + ZONE, "hostmaster." + ZONE, 7, 7200, 1800, 86400, 5))
NXDOMAIN = Reply("NXDOMAIN", ("aa",), authority=[SOA])
NODATA = Reply("NOERROR", ("aa",), authority=[SOA])
WEB, DB, BARE = ("%s.a.svc.%s" % (name, ZONE) for name in ("web", "db", "bare"))
ZONAL = "pin._zone.z.a.svc.cluster.local."
SERVICE_SOA = SOA.changed(owner="cluster.local.", rdata=("ns.dns.cluster.local.", "hostmaster.cluster.local.") + SOA.rdata[2:])


def thing(kind, name, **more):
    return {(kind, "a", name): dict({"metadata": {"name": name, "namespace": "a"}}, **more)}


def service_import(name, *ips, ports=()):
    return thing("ServiceImport", name, spec={"type": "ClusterSetIP" if ips else "Headless", "ips": list(ips),
                                              "ports": list(ports)})


def slice_of(name, labels, *endpoints, ports=()):
    """endpoints: (hostname, address, zone)"""
    return thing("EndpointSlice", name, addressType="IPv4", ports=list(ports), metadata={"labels": labels}, endpoints=[
        {"hostname": host, "addresses": [address], "zone": zone} for host, address, zone in endpoints])


def imported(name, of, cluster, *endpoints, ports=()):
    return slice_of(name, {import_gen.IMPORT_NAME: of, import_gen.CLUSTER_ID: cluster}, *endpoints, ports=ports)


def address(owner, text):
    return Record(owner, "A", 1, 5, text)


def srv(owner, weight, port, target):
    return Record(owner, "SRV", 1, 5, (0, weight, port, target))


HTTP = {"name": "http", "port": 80, "protocol": "TCP"}
SQL = {"name": "sql", "port": 5432, "protocol": "TCP"}
STATE = {
    **service_import("web", "10.42.0.1", ports=[HTTP]),
    **imported("w", "web", "east", ("h", "10.1.0.9", ""), ports=[HTTP]),
    **service_import("bare", "10.42.0.2"),
    **service_import("db"),
    **imported("e", "db", "east", ("h", "10.1.0.1", ""), ports=[SQL]),
    **imported("n", "db", "no.label", ("h", "10.1.0.2", ""), ports=[SQL]),
    **imported("x", "db", "", ("x", "10.1.0.3", ""), ports=[SQL]),
    **thing("Service", "z", spec={"clusterIP": "None"}),
    **slice_of("z1", {SERVICE_NAME: "z"}, ("h", "10.1.0.1", "B"), ("i", "10.1.0.2", "B"), ports=[HTTP]),
    **slice_of("z2", {SERVICE_NAME: "z"}, ("h", "10.1.0.1", "a"), ports=[SQL]),
}
KNOWN = {
    (ZONE, "SOA"): Reply("NOERROR", ("aa",), [SOA]),
    ("h.east." + DB, "A"): Reply("NOERROR", ("aa",), [address("h.east." + DB, "10.1.0.1")]),
    ("_sql._tcp." + DB, "A"): Reply("NOERROR", ("aa",), [address("_sql._tcp." + DB, "10.1.0.1")]),
}


def here(owner):
    return Reply("NOERROR", ("aa",), [address(owner, "10.1.0.9")])


LEADS = [srv(DB, 33, 5432, "h.east." + DB)]
GLUE = [address("h.east." + DB, "10.1.0.1")]

# (what, question, CoreDNS's reply, the right one, ids)
RIGHT = [
    ("an endpoint of an import with an address", Question("h.east." + WEB), here("h.east." + WEB), NXDOMAIN,
     ["import-names-of-clusters"]),
    ("a port of an import with an address", Question("_http.tcp." + WEB), here("_http.tcp." + WEB),
     here("_http.tcp." + WEB), []),
    ("an endpoint of a cluster", Question("h.east." + DB), KNOWN["h.east." + DB, "A"], KNOWN["h.east." + DB, "A"], []),
    ("an endpoint of no cluster", Question("x." + DB), here("x." + DB), NXDOMAIN, ["import-of-no-cluster"]),
    ("SRV at an endpoint of no cluster", Question("x." + DB, "SRV"), None, NXDOMAIN, ["import-of-no-cluster"]),
    ("A at an endpoint of no cluster, no reply", Question("x." + DB), None, None, []),
    ("an endpoint of a cluster with an id that is no label", Question("h.a_b." + DB), here("h.a_b." + DB), NXDOMAIN,
     ["import-of-no-cluster"]),
    ("a cluster", Question("east." + DB), NXDOMAIN, NODATA, ["empty-non-terminal"]),
    ("no cluster", Question("west." + DB), NXDOMAIN, NXDOMAIN, []),
    ("a protocol of an import", Question("_tcp." + DB), NXDOMAIN, NODATA, ["empty-non-terminal"]),
    ("SRV where an id is empty", Question(DB, "SRV"), None, Reply("NOERROR", ("aa",), LEADS, additional=GLUE),
     ["import-srv", "srv-glue"]),
    ("an import without ports", Question(BARE), NXDOMAIN,
     Reply("NOERROR", ("aa",), [address(BARE, "10.42.0.2")]), ["import-without-ports"]),
    ("an import without ports, AAAA", Question(BARE, "AAAA"), NXDOMAIN, NODATA, ["import-without-ports"]),
    ("two zones, the first", Question("a." + ZONAL), here("a." + ZONAL).changed(answer=[address("a." + ZONAL, "10.1.0.1")]),
     here("a." + ZONAL).changed(answer=[address("a." + ZONAL, "10.1.0.1")]), []),
    ("two zones, the second", Question("b." + ZONAL),
     here("").changed(answer=[address("b." + ZONAL, "10.1.0.1"), address("b." + ZONAL, "10.1.0.2")]),
     here("").changed(answer=[address("b." + ZONAL, "10.1.0.2")]), ["zonal-several-slices"]),
    ("two zones, all ports", Question("a." + ZONAL, "SRV"),
     Reply("NOERROR", ("aa",), [srv("a." + ZONAL, 100, 5432, "h.z.a.svc.cluster.local.")],
           additional=[address("h.z.a.svc.cluster.local.", "10.1.0.1")]),
     Reply("NOERROR", ("aa",), [srv("a." + ZONAL, 50, 5432, "h.z.a.svc.cluster.local."),
                                srv("a." + ZONAL, 50, 80, "h.z.a.svc.cluster.local.")],
           additional=[address("h.z.a.svc.cluster.local.", "10.1.0.1")]), ["zonal-several-slices"]),
]
