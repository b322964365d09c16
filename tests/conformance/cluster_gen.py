# SPDX-License-Identifier: Apache-2.0
"""Random clusters from a seed, and random changes to them.

Only what a real API server admits: names, addresses and ports are valid, cluster
IPs are chosen here (so that a seed always means the same cluster). Objects are
those of the API; a state is {(kind, namespace, name): object}.
"""

import copy
import ipaddress
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "api", "rig"))
import kube  # noqa: E402

NAMESPACES = ("a", "b", "prod", "dev-1", "svc", "pod", "1-2-3-4", "x" * 63, "default", "10", "tcp")
SERVICES = ("web", "db", "svc", "pod", "dns", "tcp", "http", "a", "kube-dns", "a-very-long-name-" + "n" * 46, "ns",
            "cluster", "api", "cache-0", "x1", "queue")
HOSTNAMES = ("web-0", "web-1", "db-0", "shared", "a", "tcp", "10-0-0-1", "h" * 63, "0")
PORT_NAMES = ("http", "https", "dns", "dns-tcp", "metrics", "a", "tcp", "80x")
PROTOCOLS = ("TCP", "UDP", "SCTP")
OUTSIDE = ("one.example.com", "example.org", "a.b.c.example.net", "www.example.com.")
TIERS = ("front", "back", "")
SERVICE_NAME = "kubernetes.io/service-name"


def key_of(thing):
    return thing["kind"], thing["metadata"].get("namespace", ""), thing["metadata"]["name"]


class Generator:
    """state: what there is after all that was handed out has been applied. imports:
    a module that makes ServiceImports, too."""

    def __init__(self, rng, scale=1.0, imports=None):
        self.rng, self.scale, self.imports = rng, scale, imports
        self.state = {}
        self.used = {"10.96.0.1"}
        self.count = 0
        self.endpoint_pool = [self.fresh_endpoint(4) for _ in range(14)]
        self.endpoint_pool6 = [self.fresh_endpoint(6) for _ in range(10)]

    # -- small choices -----------------------------------------------------
    def chance(self, p):
        return self.rng.random() < p

    def number(self, low, high):
        return self.rng.randint(low, high)

    def labels(self):
        tier = self.rng.choice(TIERS)
        return {"tier": tier} if tier else {}

    def next_name(self, prefix):
        self.count += 1
        return "%s-%d" % (prefix, self.count)

    def cluster_ip(self, family):
        while True:
            if family == "IPv4":
                address = "10.96.%d.%d" % (self.number(1, 255), self.number(0, 255))
            else:
                address = str(ipaddress.ip_address("fd00:10:96::%x" % self.number(2, 0xffff)))
            if address not in self.used:
                self.used.add(address)
                return address

    def fresh_endpoint(self, family):
        if family == 4:
            return "10.%d.%d.%d" % (self.rng.choice((1, 244)), self.number(0, 255), self.number(0, 255))
        groups = self.rng.choice(("2001:db8:%x::%x", "fd00:244::%x:%x", "2001:db8::%x:0:%x", "2001:db8:%x:%x::",
                                  "2001:db8:1:2:3:4:%x:%x"))
        return str(ipaddress.ip_address(groups % (self.number(1, 0xffff), self.number(1, 0xffff))))

    def address(self, family):
        """Often one that other slices have too."""
        pool = self.endpoint_pool if family == "IPv4" else self.endpoint_pool6
        return self.rng.choice(pool) if self.chance(0.6) else self.fresh_endpoint(4 if family == "IPv4" else 6)

    def namespaces(self):
        return [name for kind, _, name in self.state if kind == "Namespace"]

    def pick(self, kind):
        keys = [key for key in self.state if key[0] == kind]
        return self.state[self.rng.choice(keys)] if keys else None

    # -- Services ------------------------------------------------------------
    def families(self):
        return self.rng.choice((["IPv4"], ["IPv4"], ["IPv6"], ["IPv4", "IPv6"], ["IPv6", "IPv4"]))

    def service_ports(self, at_least=1):
        count = max(at_least, self.rng.choice((0, 1, 1, 1, 2, 3, 4)))
        if count == 1 and self.chance(0.4):
            return [{"port": self.number(1, 65535), "protocol": self.rng.choice(PROTOCOLS)}]
        names = self.rng.sample(PORT_NAMES, count)
        ports, seen = [], set()
        for name in names:
            pair = (self.rng.choice((53, 80, 443, 65535)), self.rng.choice(PROTOCOLS))
            if pair not in seen:
                seen.add(pair)
                ports.append({"name": name, "port": pair[0], "protocol": pair[1]})
        return ports

    def service(self, ns, name):
        kind = self.rng.choice(("ClusterIP", "ClusterIP", "NodePort", "LoadBalancer", "headless", "headless",
                                "headless", "ExternalName"))
        if kind == "ExternalName":
            return self.external_name(ns, name)
        families = self.families()
        spec = {"ports": self.service_ports(0 if kind == "headless" else 1), "ipFamilies": families,
                "ipFamilyPolicy": "RequireDualStack" if len(families) == 2 else "SingleStack"}
        if not spec["ports"]:
            del spec["ports"]
        if kind == "headless":
            spec["clusterIP"] = "None"
        else:
            spec["type"] = kind
            spec["clusterIPs"] = [self.cluster_ip(family) for family in families]
            spec["clusterIP"] = spec["clusterIPs"][0]
        if self.chance(0.15):
            spec["publishNotReadyAddresses"] = True
        if self.chance(0.15):
            spec["externalIPs"] = ["198.51.100.%d" % self.number(1, 254)]
        return self.make_service(ns, name, spec)

    def make_service(self, ns, name, spec):
        return {"apiVersion": "v1", "kind": "Service", "spec": spec,
                "metadata": {"namespace": ns, "name": name, "labels": self.labels()}}

    def external_name(self, ns, name):
        spec = {"type": "ExternalName", "externalName": self.target(ns, name)}
        if self.chance(0.3):
            spec["ports"] = self.service_ports(1)
        return self.make_service(ns, name, spec)

    def target(self, ns, name):
        """Another Service, a missing one, itself, an endpoint, outside, an IPv4 literal, the zone's own names."""
        other = self.pick("Service")
        inside = "%s.%s.svc.cluster.local" % ((other["metadata"]["name"], other["metadata"]["namespace"])
                                              if other else (name, ns))
        choice = self.number(0, 15)
        if choice < 6:
            return inside
        if choice == 6:
            return inside + "."
        if choice == 7:
            return "missing.%s.svc.cluster.local" % ns
        if choice == 8:
            return "%s.%s.svc.cluster.local" % (name, ns)
        if choice == 9:
            return "%s.%s" % (self.rng.choice(HOSTNAMES), inside)
        if choice == 10:
            return self.rng.choice(("192.0.2.1", "10.96.0.1", "169.254.169.254"))
        if choice == 11:
            return self.rng.choice(("cluster.local", "svc.cluster.local", "%s.svc.cluster.local" % ns,
                                    "dns-version.cluster.local", "1.2.0.192.in-addr.arpa", "ns.dns.cluster.local"))
        return self.rng.choice(OUTSIDE)

    # -- slices --------------------------------------------------------------
    def slice_ports(self, service):
        """Mostly the Service's, some of their own, null and without a number."""
        if self.chance(0.12):
            return None
        ports = [{"name": p.get("name", ""), "port": self.rng.choice((p["port"], 8080)), "protocol": p["protocol"]}
                 for p in (service or {}).get("spec", {}).get("ports", ())]
        if not ports or self.chance(0.2):
            ports = [{"name": p.get("name", ""), "port": p["port"], "protocol": p["protocol"]}
                     for p in self.service_ports(1)]
        for port in ports:
            if self.chance(0.05):
                port["port"] = None
            if self.chance(0.05):
                del port["protocol"]
        return ports

    def conditions(self):
        choice = self.number(0, 9)
        if choice < 6:
            return {"ready": True, "serving": True, "terminating": False}
        if choice == 6:
            return {"ready": False, "serving": False}
        if choice == 7:
            return {"ready": False, "serving": True, "terminating": True}
        if choice == 8:
            return {"ready": True, "serving": True, "terminating": True}
        return {}

    def endpoint(self, ns, family, style):
        addresses = [self.address(family)]
        if self.chance(0.06):
            addresses.append(self.address(family))
        out = {"addresses": list(dict.fromkeys(addresses)), "conditions": self.conditions()}
        if style == "hostnames" or style == "some" and self.chance(0.5):
            out["hostname"] = self.rng.choice(HOSTNAMES)
        if self.chance(0.4):
            pod = self.rng.choice(("pod-a", "pod-b", "web-0", "p" * 63, "p" * 64, "long-" + "q" * 80))
            out["targetRef"] = {"kind": "Pod", "namespace": ns, "name": pod}
        if self.chance(0.3):
            out["zone"] = self.rng.choice(("eu-1a", "eu-1b", "Zone.C"))
        return out

    def endpoint_slice(self, ns, service, of=None, fqdn=True):
        family = self.rng.choice(("IPv4", "IPv4", "IPv4", "IPv6", "IPv6"))
        style = self.rng.choice(("hostnames", "some", "none", "none"))
        count = self.rng.choice((0, 1, 1, 2, 3, 5, 9)) if self.chance(0.97) else self.number(20, 90)
        endpoints = [self.endpoint(ns, family, style) for _ in range(count)]
        if self.chance(0.03) and fqdn:
            family = "FQDN"
            endpoints = [{"addresses": ["host-%d.example.com" % i], "conditions": self.conditions()} for i in range(2)]
        labels = dict((service or {"metadata": {"labels": {}}})["metadata"]["labels"])
        if self.chance(0.1):
            labels = self.labels()
        of = service["metadata"]["name"] if service else of
        if of:
            labels[SERVICE_NAME] = of
        out = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family,
               "metadata": {"namespace": ns, "name": self.next_name("slice"), "labels": labels},
               "endpoints": endpoints}
        ports = self.slice_ports(service)
        return dict(out, ports=ports) if ports else out

    def slices_of(self, service):
        if service["spec"].get("type") == "ExternalName" and self.chance(0.7):
            return []
        count = self.rng.choice((0, 1, 1, 1, 2, 3))
        return [self.endpoint_slice(service["metadata"]["namespace"], service) for _ in range(count)]

    def own_service(self, operations, addresses):
        """The server's own Service, as kube-dns is: its endpoints are the host's addresses."""
        ns = self.rng.choice(self.namespaces())
        families = ["IPv4", "IPv6"] if self.chance(0.5) else ["IPv4"]
        ips = ["None"] if self.chance(0.3) else [self.cluster_ip(family) for family in families]
        spec = {"ports": [{"name": "dns", "port": 53, "protocol": "UDP"}], "clusterIP": ips[0], "ipFamilies": families,
                "ipFamilyPolicy": "RequireDualStack" if len(families) == 2 else "SingleStack"}
        if ips != ["None"]:
            spec["clusterIPs"] = ips
        service = self.make_service(ns, "own", spec)
        self.put(operations, "create", service)
        for family in ("IPv4", "IPv6"):
            mine = [address for address in addresses if (":" in address) == (family == "IPv6")]
            thing = self.endpoint_slice(ns, service)
            thing.update(addressType=family, ports=[{"name": "dns", "port": 53, "protocol": "UDP"}], endpoints=[
                {"addresses": [address], "conditions": {"ready": True}} for address in mine + [self.address(family)]])
            self.put(operations, "create", thing)

    # -- Pods and Namespaces ---------------------------------------------------
    def pod(self, ns):
        four = self.rng.choice(self.endpoint_pool) if self.chance(0.7) else self.fresh_endpoint(4)
        six = self.rng.choice(self.endpoint_pool6)
        addresses = self.rng.choice(([four], [four, six], [six, four], [six], []))
        status = {"phase": self.rng.choice(("Running", "Running", "Running", "Pending", "Succeeded", "Failed"))}
        if addresses:
            status.update(podIP=addresses[0], podIPs=[{"ip": address} for address in addresses])
        return {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c", "image": "none"}]},
                "metadata": {"namespace": ns, "name": self.next_name("pod"), "labels": self.labels()},
                "status": status}

    def namespace(self, name):
        return {"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name, "labels": dict(self.labels(), team=self.rng.choice(("red", "blue")))}}

    # -- a cluster, and changes of one -------------------------------------------
    def put(self, operations, what, thing):
        if what == "delete":
            self.state.pop(key_of(thing), None)
        else:
            self.state[key_of(thing)] = thing
        operations.append((what, copy.deepcopy(thing)))

    def build(self):
        """[("create", object)]"""
        operations = []
        names = ["default"] + self.rng.sample([n for n in NAMESPACES if n != "default"], 4)
        for name in names:
            self.put(operations, "create", self.namespace(name))
        for ns in names:
            for name in self.rng.sample(SERVICES, max(1, int(self.scale * self.number(3, len(SERVICES))))):
                self.add_service(operations, ns, name)
            for _ in range(self.number(0, 6)):
                self.put(operations, "create", self.pod(ns))
            self.add_orphans(operations, ns)
        if self.imports:
            self.imports.build(self, operations)
        return operations

    def add_service(self, operations, ns, name):
        service = self.service(ns, name)
        self.put(operations, "create", service)
        for thing in self.slices_of(service):
            self.put(operations, "create", thing)

    def add_orphans(self, operations, ns):
        """Slices whose Service is not there, and slices that name none."""
        if self.chance(0.3):
            self.put(operations, "create", self.endpoint_slice(ns, None, "orphan"))
        if self.chance(0.15):
            self.put(operations, "create", self.endpoint_slice(ns, None))

    def change(self, count):
        """[(what, object)], what: create, replace, delete, status, labels."""
        operations = []
        for _ in range(count):
            change = self.rng.choice((self.change_service, self.change_slice, self.change_slice, self.change_slice,
                                      self.remove, self.remove, self.add_more, self.add_more, self.recreate,
                                      self.change_pod, self.change_namespace))
            change(operations)
            if self.imports and self.chance(0.5):
                self.imports.change(self, operations)
        return operations

    def change_service(self, operations):
        service = copy.deepcopy(self.pick("Service"))
        if not service:
            return
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            spec["externalName"] = self.target(service["metadata"]["namespace"], service["metadata"]["name"])
        elif self.chance(0.5) or spec["clusterIP"] == "None":
            spec["ports"] = self.service_ports(1)
        else:
            spec["type"] = self.rng.choice(("ClusterIP", "NodePort", "LoadBalancer"))
        if self.chance(0.3):
            service["metadata"]["labels"] = self.labels()
        self.put(operations, "replace", service)

    def change_slice(self, operations):
        thing = copy.deepcopy(self.pick("EndpointSlice"))
        if not thing or thing["addressType"] == "FQDN":
            return
        ns, family = thing["metadata"]["namespace"], thing["addressType"]
        endpoints = thing["endpoints"]
        if endpoints and self.chance(0.5):
            endpoints[self.number(0, len(endpoints) - 1)]["conditions"] = self.conditions()
        if endpoints and self.chance(0.4):
            endpoints.pop(self.number(0, len(endpoints) - 1))
        if self.chance(0.6):
            endpoints.append(self.endpoint(ns, family, "some"))
        self.put(operations, "replace", thing)

    def remove(self, operations):
        thing = self.pick(self.rng.choice(("Service", "EndpointSlice", "EndpointSlice", "Pod")))
        if thing:
            self.put(operations, "delete", thing)

    def add_more(self, operations):
        ns = self.rng.choice(self.namespaces())
        name = self.rng.choice(SERVICES)
        if ("Service", ns, name) not in self.state:
            self.add_service(operations, ns, name)
        else:
            self.put(operations, "create", self.endpoint_slice(ns, self.state["Service", ns, name]))

    def recreate(self, operations):
        """Another Service under the name of one that goes."""
        old = self.pick("Service")
        if old:
            self.put(operations, "delete", old)
            ns, name = old["metadata"]["namespace"], old["metadata"]["name"]
            self.put(operations, "create", self.service(ns, name))

    def change_pod(self, operations):
        pod = copy.deepcopy(self.pick("Pod"))
        if pod and pod["status"]["phase"] not in ("Succeeded", "Failed"):
            pod["status"] = self.pod(pod["metadata"]["namespace"])["status"]
            self.put(operations, "status", pod)

    def change_namespace(self, operations):
        """Other labels, or gone with all that is in it, or a new one."""
        choice = self.number(0, 3)
        thing = copy.deepcopy(self.pick("Namespace"))
        name = thing["metadata"]["name"]
        if choice <= 1:
            thing["metadata"]["labels"] = self.namespace(name)["metadata"]["labels"]
            self.put(operations, "labels", thing)
        elif choice == 2 and name != "default" and len(self.namespaces()) > 3:
            for key in [k for k in self.state if k[1] == name]:
                del self.state[key]
            self.put(operations, "delete", thing)
        else:
            free = [n for n in NAMESPACES if ("Namespace", "", n) not in self.state]
            self.put(operations, "create", self.namespace(self.rng.choice(free)))
