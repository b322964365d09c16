# SPDX-License-Identifier: Apache-2.0
"""A small client of the Kubernetes API for tests: one kept connection, JSON in
and out, and makers of the objects that DNS is about. kubectl is the client where
its own behaviour matters; this one where a write must be timed or there are many."""

import http.client
import json
import ssl
import time

SLICES = "/apis/discovery.k8s.io/v1"
IMPORTS = "/apis/multicluster.x-k8s.io/v1alpha1"


class ApiError(Exception):
    def __init__(self, status, body):
        super().__init__("HTTP %d: %s" % (status, body[:300]))
        self.status = status


class Kube:
    """Not for several threads at once: each takes its own."""

    def __init__(self, host, port, ca_file, token, timeout_s=30):
        context = ssl.create_default_context(cafile=ca_file)
        self._connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
        self._headers = {
            "Authorization": "Bearer " + token,
            "Accept": "application/json",
            "User-Agent": "binnacle-tests",
        }

    def close(self):
        self._connection.close()

    def raw(self, method, path, body=None, content_type="application/json"):
        """(status, text); a kept connection that was closed is opened again once."""
        headers = dict(self._headers)
        data = None
        if body is not None:
            data = body if isinstance(body, (bytes, str)) else json.dumps(body)
            headers["Content-Type"] = content_type
        for attempt in (0, 1):
            try:
                self._connection.request(method, path, data, headers)
                answer = self._connection.getresponse()
                return answer.status, answer.read().decode()
            except (http.client.HTTPException, OSError):
                self._connection.close()
                if attempt:
                    raise
        raise AssertionError

    def call(self, method, path, body=None, content_type="application/json"):
        status, text = self.raw(method, path, body, content_type)
        if status >= 300:
            raise ApiError(status, text)
        return json.loads(text)

    def get(self, path):
        return self.call("GET", path)

    def create(self, thing):
        return self.call("POST", collection_path(thing), thing)

    def replace(self, thing):
        return self.call("PUT", object_path(thing), thing)

    def patch(self, thing, change):
        return self.call("PATCH", object_path(thing), change, "application/merge-patch+json")

    def set_status(self, thing, status):
        """What a controller or a kubelet would write."""
        path = object_path(thing) + "/status"
        return self.call("PATCH", path, {"status": status}, "application/merge-patch+json")

    def delete(self, thing):
        return self.call("DELETE", object_path(thing))

    def ensure(self, thing):
        """Create it, or put it in place of what is there."""
        status, text = self.raw("POST", collection_path(thing), thing)
        if status == 409:
            return self.replace(thing)
        if status >= 300:
            raise ApiError(status, text)
        return json.loads(text)

    def wait_served(self, path, status=200, timeout_s=20):
        """Until a GET of path has that status: a CRD comes or goes, a permission takes hold."""
        end = time.monotonic() + timeout_s
        while self.raw("GET", path)[0] != status:
            if time.monotonic() > end:
                raise TimeoutError("%s does not answer with %d" % (path, status))
            time.sleep(0.1)

    def delete_namespace(self, name):
        """Also does what the namespace controller would: nobody else empties it."""
        self.call("DELETE", "/api/v1/namespaces/" + name)
        for collection in ("/api/v1/namespaces/%s/services" % name, "/api/v1/namespaces/%s/pods" % name,
                           SLICES + "/namespaces/%s/endpointslices" % name):
            for item in self.get(collection).get("items") or []:
                self.call("DELETE", collection + "/" + item["metadata"]["name"])
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []}}
        status, text = self.raw("PUT", "/api/v1/namespaces/%s/finalize" % name, body)
        if status not in (200, 404):
            raise ApiError(status, text)


PLURALS = {
    "Namespace": ("/api/v1", "namespaces"),
    "Service": ("/api/v1", "services"),
    "Pod": ("/api/v1", "pods"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "EndpointSlice": (SLICES, "endpointslices"),
    "ServiceImport": (IMPORTS, "serviceimports"),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    "ClusterRoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
}


def collection_path(thing):
    base, plural = PLURALS[thing["kind"]]
    namespace = thing["metadata"].get("namespace")
    return "%s/namespaces/%s/%s" % (base, namespace, plural) if namespace else "%s/%s" % (base, plural)


def object_path(thing):
    return collection_path(thing) + "/" + thing["metadata"]["name"]


def namespace(name, labels=None):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}}


def service(ns, name, labels=None, headless=False, external=None, families=None, **spec):
    """A Service; further keys of spec by keyword (type="NodePort", clusterIP=...)."""
    body = {"ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    if external:
        body = {"type": "ExternalName", "externalName": external}
    if headless:
        body["clusterIP"] = "None"
    if families:
        body["ipFamilies"] = families
        body["ipFamilyPolicy"] = "RequireDualStack" if len(families) == 2 else "SingleStack"
    body.update(spec)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": ns, "name": name, "labels": labels or {}},
        "spec": body,
    }


def pod(ns, name, labels=None, **spec):
    """A Pod that no kubelet starts; its status comes by set_status() and pod_status()."""
    body = {"containers": [{"name": "main", "image": "none"}], "automountServiceAccountToken": False}
    body.update(spec)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": ns, "name": name, "labels": labels or {}},
        "spec": body,
    }


def pod_status(*addresses, phase="Running"):
    out = {"phase": phase, "podIPs": [{"ip": a} for a in addresses] or None}
    out["podIP"] = addresses[0] if addresses else None
    return out


def endpoint(address, ready=True, hostname=None):
    out = {"addresses": [address], "conditions": {"ready": ready, "serving": ready}}
    if hostname:
        out["hostname"] = hostname
    return out


def endpoint_slice(ns, name, of_service, endpoints, family="IPv4", labels=None):
    all_labels = {"kubernetes.io/service-name": of_service}
    all_labels.update(labels or {})
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"namespace": ns, "name": name, "labels": all_labels},
        "addressType": family,
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def import_definition():
    """The CRD of ServiceImports, as little of it as there can be."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "serviceimports.multicluster.x-k8s.io",
                     "annotations": {"api-approved.kubernetes.io": "unapproved, a test"}},
        "spec": {
            "group": "multicluster.x-k8s.io",
            "scope": "Namespaced",
            "names": {"plural": "serviceimports", "singular": "serviceimport", "kind": "ServiceImport"},
            "versions": [{"name": "v1alpha1", "served": True, "storage": True, "schema": {
                "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}],
        },
    }


def service_import(ns, name, *ips):
    """Headless without addresses."""
    return {
        "apiVersion": "multicluster.x-k8s.io/v1alpha1",
        "kind": "ServiceImport",
        "metadata": {"namespace": ns, "name": name},
        "spec": {"type": "ClusterSetIP" if ips else "Headless", "ips": list(ips),
                 "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
    }


def import_slice(ns, name, of_import, cluster, endpoints):
    thing = endpoint_slice(ns, name, of_import, endpoints)
    thing["metadata"]["labels"] = {"multicluster.kubernetes.io/service-name": of_import,
                                   "multicluster.kubernetes.io/source-cluster": cluster}
    return thing


IMPORT_RULE = {"apiGroups": ["multicluster.x-k8s.io"], "resources": ["serviceimports"], "verbs": ["list", "watch"]}

DNS_RULES = [
    {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]


def dns_role(rules=None):
    """What CoreDNS's own ClusterRole grants, and no more."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "system:coredns"},
        "rules": DNS_RULES if rules is None else rules,
    }


def dns_role_binding():
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:coredns"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "kube-system", "name": "coredns"}],
    }


def dns_account():
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"namespace": "kube-system", "name": "coredns"},
    }
