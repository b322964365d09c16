# SPDX-License-Identifier: Apache-2.0
"""Puts a generated cluster into a real API server, over several connections, and
knows when servers that watch it have seen everything."""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "api", "rig"))
import kube  # noqa: E402
from cluster_gen import SERVICE_NAME, key_of  # noqa: E402

CONNECTIONS = 4
KEPT_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
SETTLE_S = 0.3     # after the last marker is answered: for watches without a marker
QUIET_S = 60.0     # markers must be answered within, on a busy machine too
IMPORTS_PATH = kube.IMPORTS + "/serviceimports"
IMPORTS_SERVED_S = 20.0
COLLECTIONS = (("Service", "/api/v1/services"), ("EndpointSlice", kube.SLICES + "/endpointslices"),
               ("Pod", "/api/v1/pods"), ("Namespace", "/api/v1/namespaces"))
kube.PLURALS.setdefault("Pod", ("/api/v1", "pods"))


class Putter:
    """One per rig. refused: what the API server did not admit, as text."""

    def __init__(self, rig):
        self.clients = [rig.client() for _ in range(CONNECTIONS)]
        self.refused = []
        self.collections = COLLECTIONS

    def define_imports(self):
        """The CRD of ServiceImports, once served; without it CoreDNS is never ready
        where a zone is one of `multicluster`."""
        if len(self.collections) > len(COLLECTIONS):
            return
        client, thing = self.clients[0], kube.import_definition()
        status, text = client.raw("POST", kube.collection_path(thing), thing)
        if status not in (201, 409):  # 409: it is there
            raise kube.ApiError(status, text)
        end = time.monotonic() + IMPORTS_SERVED_S
        while client.raw("GET", IMPORTS_PATH)[0] != 200:
            if time.monotonic() > end:
                raise RuntimeError("the CRD of ServiceImports is not served after %d s" % IMPORTS_SERVED_S)
            time.sleep(0.1)
        self.collections = COLLECTIONS + (("ServiceImport", IMPORTS_PATH),)

    def close(self):
        for client in self.clients:
            client.close()

    def apply(self, operations):
        """In the order given for each object; Namespaces come before what is in them."""
        batch = []
        for operation in operations:
            if operation[1]["kind"] == "Namespace":
                self.apply_batch(batch)
                batch = []
                self.do(self.clients[0], *operation)
            else:
                batch.append(operation)
        self.apply_batch(batch)

    def apply_batch(self, operations):
        shares = [[] for _ in self.clients]
        for operation in operations:
            # By namespace and owner, not by hash(): the same every time.
            place = sum(map(ord, "/".join(key_of(operation[1])))) % len(shares)
            shares[place].append(operation)
        threads = [threading.Thread(target=self.do_all, args=pair) for pair in zip(self.clients, shares)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def do_all(self, client, operations):
        for what, thing in operations:
            self.do(client, what, thing)

    def do(self, client, what, thing):
        try:
            DO[what](client, thing)
        except kube.ApiError as e:
            self.refused.append("%s %s: %s" % (what, "/".join(key_of(thing)), e))

    def state(self):
        """What the API server holds now, as Generator.state, without its own Services' extras."""
        out = {}
        for kind, path in self.collections:
            for item in self.clients[0].get(path).get("items") or []:
                item["kind"] = kind
                out[key_of(item)] = item
        return out

    def wipe(self):
        """Back to what a fresh API server has."""
        state = self.state()
        for kind, ns, name in list(state):
            if kind == "Namespace" and name not in KEPT_NAMESPACES:
                delete_namespace(self.clients[0], state[kind, ns, name])
        for (kind, ns, name), thing in self.state().items():
            if kind != "Namespace" and (ns, name) != ("default", "kubernetes"):
                delete(self.clients[0], thing)


def create(client, thing):
    if thing["kind"] == "Namespace" and thing["metadata"]["name"] in KEPT_NAMESPACES:
        return labels(client, thing)
    made = client.create(thing)
    if thing["kind"] == "Pod":
        status(client, thing)
    return made


def status(client, thing):
    """All of the status; podIPs would be merged by key otherwise."""
    path = kube.object_path(thing)
    current = client.get(path)
    current["status"] = thing["status"]
    client.call("PUT", path + "/status", current)


def labels(client, thing):
    current = client.get(kube.object_path(thing))
    wanted = dict({name: None for name in current["metadata"].get("labels") or {} if "kubernetes.io" not in name},
                  **thing["metadata"].get("labels") or {})
    client.patch(thing, {"metadata": {"labels": wanted}})


def delete(client, thing):
    if thing["kind"] == "Namespace":
        return delete_namespace(client, thing)
    return client.call("DELETE", kube.object_path(thing), {"kind": "DeleteOptions", "apiVersion": "v1",
                                                           "gracePeriodSeconds": 0})


def delete_namespace(client, thing):
    name = thing["metadata"]["name"]
    for pod in client.get("/api/v1/namespaces/%s/pods" % name).get("items") or []:
        pod["kind"] = "Pod"
        delete(client, pod)
    client.raw("DELETE", "%s/namespaces/%s/serviceimports" % (kube.IMPORTS, name))  # 404 without the CRD
    client.delete_namespace(name)


def replace(client, thing):
    """A custom resource is not replaced without the version that is."""
    if thing["kind"] == "ServiceImport":
        version = client.get(kube.object_path(thing))["metadata"]["resourceVersion"]
        thing = dict(thing, metadata=dict(thing["metadata"], resourceVersion=version))
    client.replace(thing)


DO = {"create": create, "replace": replace, "delete": delete, "status": status, "labels": labels}


class Markers:
    """Objects made last, one of each kind that is watched: once a server answers
    them, it has seen everything that came before on the same watch."""

    def __init__(self, putter, options):
        self.client, self.options = putter.clients[0], options
        self.count = 0

    def put(self):
        """[(name, type, is there)] to wait for."""
        self.count += 1
        ns = "marker-%d" % self.count
        address = "10.0.%d.%d" % (200 + self.count // 250, self.count % 250 + 1)
        tags = {"tier": "front", "team": "red"}
        self.client.create(kube.namespace(ns, tags))
        self.client.create(kube.service(ns, "plain", tags))
        self.client.create(kube.service(ns, "headless", tags, headless=True))
        for name in ("plain", "headless"):
            self.client.create(kube.endpoint_slice(ns, name, name, [kube.endpoint(address)], labels=tags))
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": ns, "name": "pod", "labels": tags},
               "spec": {"containers": [{"name": "c", "image": "none"}]},
               "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}}
        create(self.client, pod)
        if self.options.multicluster:
            self.put_import(ns, address, tags)
        zone = self.options.forward_zones[0]
        names = ["plain.%s.svc.%s" % (ns, zone)]
        if not self.options.noendpoints:
            names.append("headless.%s.svc.%s" % (ns, zone))
        if self.options.pods == "verified":
            names.append("%s.%s.pod.%s" % (address.replace(".", "-"), ns, zone))
        return names + ["imported.%s.svc.%s" % (ns, each) for each in self.options.multicluster]

    def put_import(self, ns, address, tags):
        thing = kube.import_slice(ns, "imported", "imported", "east", [kube.endpoint(address)])
        thing["metadata"]["labels"].update(tags)
        self.client.create(thing)
        self.client.create(kube.service_import(ns, "imported"))

    def wait(self, servers):
        """What a server did not answer in time, as text; "" if all is there."""
        names = self.put()
        end = time.monotonic() + QUIET_S
        for server in servers:
            client = server.client()
            for name in names:
                answer, _ = client.wait(name + ".", "A", lambda a: bool(a.records), end - time.monotonic())
                if answer is None or not answer.records:
                    client.close()
                    return "%s does not answer %s: %s" % (server.kind, name, answer)
            client.close()
        time.sleep(SETTLE_S)
        return ""
