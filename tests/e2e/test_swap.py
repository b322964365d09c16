#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Binnacle in CoreDNS's place: the objects of deploy/ at a real API server, the objects
of a kubeadm cluster with the image changed and changed back, and the image's program
started as those objects say, with that API server as its cluster.

    test_swap.py --image LAYOUT --binary PATH [WORD...]     only the cases with WORD in their name

Everything happens in a network namespace of its own, as root; it needs runc for what
runs in containers and kubectl for the rest. --binary is the program in the image.
"""

import argparse
import copy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
DEPLOY = os.path.join(TREE, "deploy")
sys.path.insert(0, os.path.join(TREE, "tests", "api", "rig"))
import kube  # noqa: E402
from cases import Cases, Skipped, check, check_equal  # noqa: E402
from container import Container, Layout, runtime_config  # noqa: E402
from rig import Rig, Skip  # noqa: E402

COREDNS = "registry.k8s.io/coredns/coredns:v1.13.1"
NAMESPACE = "/api/v1/namespaces/kube-system"
DEPLOYMENT = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
OURS = [DEPLOYMENT, NAMESPACE + "/services/kube-dns", NAMESPACE + "/configmaps/coredns",
        NAMESPACE + "/serviceaccounts/coredns", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:coredns",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:coredns"]


def needs_kubectl():
    """One that leaves the checking of fields to the server: a partial object is meant."""
    if not shutil.which("kubectl"):
        raise Skipped("needs kubectl")
    done = subprocess.run(["kubectl", "version", "--client", "-o", "json"], capture_output=True, text=True)
    version = json.loads(done.stdout)["clientVersion"]
    if int(version["minor"].rstrip("+")) < 27:
        raise Skipped("needs kubectl 1.27 or later, this is " + version["gitVersion"])


def kustomized(folder):
    needs_kubectl()
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True)
    check_equal(done.returncode, 0, done.stderr)
    return list(yaml.safe_load_all(done.stdout))


def objects(*words):
    """What kubectl's kustomize makes of a folder of deploy/."""
    return kustomized(os.path.join(DEPLOY, *words))


def from_file(*words):
    with open(os.path.join(TREE, *words)) as f:
        return list(yaml.safe_load_all(f))


def kubeadm_objects():
    """As `kubeadm init` leaves them."""
    with open(os.path.join(DEPLOY, "base", "Corefile")) as f:
        corefile = f.read()
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "kube-system", "name": "coredns"},
              "data": {"Corefile": corefile}}
    return [kube.dns_account(), kube.dns_role(), kube.dns_role_binding(), config] + from_file("tests/e2e/kubeadm.yaml")


def pod_of(thing):
    return thing["spec"]["template"]["spec"] if thing["kind"] == "Deployment" else thing["spec"]


def settled(thing):
    """An object without what any write changes."""
    thing = copy.deepcopy(thing)
    for key in ("managedFields", "resourceVersion", "generation"):
        thing["metadata"].pop(key, None)
    return thing


class World:
    def __init__(self, rig, options):
        self.rig, self.options = rig, options
        self.api = rig.client()
        self.folder = tempfile.mkdtemp(prefix="swap-", dir=os.path.dirname(options.image))
        self.count = 0

    def apply(self, things, *words):
        """Through kubectl, as people do."""
        needs_kubectl()
        done = subprocess.run(
            ["kubectl", "--kubeconfig", self.rig.path("admin.kubeconfig"), "apply", *words, "-f", "-"],
            input=yaml.safe_dump_all(things), capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def applied(self, things, *words):
        status, said = self.apply(things, *words)
        check_equal(status, 0, said)
        return said

    def kubeadm(self):
        """A cluster as kubeadm makes it."""
        self.remove()
        for thing in kubeadm_objects():
            self.api.create(thing) if thing["kind"] in kube.PLURALS else self.create_other(thing)

    def create_other(self, thing):
        plural = thing["kind"].lower() + "s"
        base = "/apis/apps/v1" if thing["kind"] == "Deployment" else "/api/v1"
        self.api.call("POST", "%s/namespaces/kube-system/%s" % (base, plural), thing)

    def remove(self):
        for path in OURS + ["/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets/coredns"]:
            self.api.raw("DELETE", path)

    def state(self):
        return {path: settled(self.api.get(path)) for path in OURS}

    def container(self, thing):
        """The program with the API server as its cluster, in this network namespace."""
        if not shutil.which("runc"):
            raise Skipped("needs runc")
        self.count += 1
        base = os.path.join(self.folder, "case-%d" % self.count)
        os.makedirs(base + "/etc")
        layout = Layout(self.options.image)
        root = layout.unpack(base + "/root")
        with open(os.path.join(DEPLOY, "base", "Corefile")) as f:
            text = f.read()
        for path, content in (("/etc/Corefile", text), ("/resolv.conf", "nameserver 192.0.2.1\n")):
            with open(base + path, "w") as f:
                f.write(content)
        environment = ["%s=%s" % item for item in self.rig.in_cluster_environment().items()]
        config = runtime_config(
            thing, layout.config["config"], root, {"config-volume": base + "/etc"}, (),
            [("/etc/resolv.conf", base + "/resolv.conf"),
             ("/var/run/secrets/kubernetes.io/serviceaccount", self.rig.path("serviceaccount"))], environment)
        next(n for n in config["linux"]["namespaces"] if n["type"] == "network")["path"] = "/proc/self/ns/net"
        os.chmod(self.rig.path("serviceaccount/token"), 0o644)  # a kubelet gives it to the Pod's user
        return Container(base + "/bundle", config)


# -- the objects --------------------------------------------------------------
def base_is_accepted(w):
    w.remove()
    said = w.applied(objects("base"), "--dry-run=server")
    for kind in ("serviceaccount", "clusterrole", "clusterrolebinding", "configmap", "service", "deployment", "budget"):
        check(kind in said, said)
    check("arning" not in said, said)
    said = w.applied(objects("base"))
    check_equal(w.api.get(NAMESPACE + "/services/kube-dns")["spec"]["clusterIP"], "10.96.0.10", "the Service's address")


def base_is_restricted(w):
    """Admitted where the namespace enforces the Pod Security Standard "restricted"."""
    name = "restricted"
    w.api.create(kube.namespace(name, {"pod-security.kubernetes.io/enforce": "restricted",
                                       "pod-security.kubernetes.io/warn": "restricted"}))
    for thing in (next(t for t in objects("base") if t["kind"] == "Deployment"), from_file("deploy/check-pod.yaml")[0]):
        spec = pod_of(thing)
        spec.pop("priorityClassName", None)  # a quota's matter, not this one's
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dns", "namespace": name}, "spec": spec}
        spec["volumes"] = [{"name": "config-volume", "emptyDir": {}}]
        status, said = w.api.raw("POST", "/api/v1/namespaces/%s/pods?dryRun=All" % name, pod)
        check_equal(status, 201, said[:500])


def role_is_coredns_s(w):
    have = {t["kind"]: t for t in objects("base")}
    check_equal(have["ClusterRole"]["rules"], kube.DNS_RULES, "the rules")
    check_equal(have["ClusterRoleBinding"]["subjects"], kube.dns_role_binding()["subjects"], "the subjects")


def base_stands_where_kubeadm_s_does(w):
    """What other parts of a cluster look for is the same in both."""
    w.remove()
    w.applied(objects("base"))
    have = w.state()
    w.kubeadm()
    want = w.state()
    for thing in (have, want):
        pod = pod_of(thing[DEPLOYMENT])
        pod["securityContext"], pod["containers"][0]["image"] = {}, ""
        for key in ("topologySpreadConstraints", "affinity"):
            pod.pop(key, None)
        pod["containers"][0].pop("resources")
    for path in (DEPLOYMENT, NAMESPACE + "/services/kube-dns"):
        for part in ("labels", "name"):
            check_equal(have[path]["metadata"][part], want[path]["metadata"][part], path + " " + part)
        check_equal(without_addresses(have[path]["spec"]), without_addresses(want[path]["spec"]), path)
    check_equal(have[OURS[2]]["data"], want[OURS[2]]["data"], "the Corefile")


def without_addresses(spec):
    spec = copy.deepcopy(spec)
    for container in spec.get("template", {}).get("spec", {}).get("containers", []):
        container["securityContext"]["capabilities"]["add"].sort()
    return spec


def overlay_of_the_page(w):
    """The overlay that deploy/README.md shows does what it says there."""
    with open(os.path.join(DEPLOY, "README.md")) as f:
        text = re.search(r"^```yaml\n(.*?)^```$", f.read(), re.S | re.M).group(1)
    folder = os.path.join(w.folder, "page")
    shutil.copytree(os.path.join(DEPLOY, "base"), os.path.join(folder, "base"))
    os.makedirs(folder + "/overlays/mine")
    for name, content in (("kustomization.yaml", text), ("Corefile", "mine.example:53 {\n}\n")):
        with open(os.path.join(folder, "overlays", "mine", name), "w") as f:
            f.write(content)
    have = {t["kind"]: t for t in kustomized(folder + "/overlays/mine")}
    check_equal(have["Service"]["spec"]["clusterIP"], "10.43.0.10", "the Service's address")
    check_equal(have["ConfigMap"]["data"]["Corefile"], "mine.example:53 {\n}\n", "the Corefile")
    check_equal(have["ConfigMap"]["metadata"]["name"], "coredns", "the ConfigMap's name")
    check_equal(pod_of(have["Deployment"])["containers"][0]["image"], "registry.example/binnacle/coredns:v1.13.1",
                "the image")


# -- there and back -----------------------------------------------------------
def only_the_image_differs(w, before, want):
    now = w.state()
    for path in OURS:
        a, b = before[path], now[path]
        if path == DEPLOYMENT:
            a = copy.deepcopy(a)
            pod_of(a)["containers"][0]["image"] = want
        check_equal(b, a, path)


def swap_by_overlay_and_back(w):
    w.kubeadm()
    before = w.state()
    overlay = objects("overlays", "replace-coredns")
    w.applied(overlay, "--server-side", "--force-conflicts")
    only_the_image_differs(w, before, pod_of(overlay[0])["containers"][0]["image"])
    set_image(w, COREDNS)
    check_equal(w.state(), before, "what is there afterwards")


def set_image(w, image):
    w.rig.kubectl("-n", "kube-system", "set", "image", "deployment/coredns", "coredns=" + image)


def swap_by_command_and_back(w):
    w.kubeadm()
    before = w.state()
    set_image(w, "registry.example/binnacle/coredns:v1.13.1")
    only_the_image_differs(w, before, "registry.example/binnacle/coredns:v1.13.1")
    set_image(w, COREDNS)
    check_equal(w.state(), before, "what is there afterwards")


def changes_of_the_operator_stay(w):
    """Three replicas, another limit, a Corefile of their own: the overlay leaves them."""
    w.kubeadm()
    w.api.call("PATCH", DEPLOYMENT, {"spec": {"replicas": 3}}, "application/merge-patch+json")
    w.api.call("PATCH", OURS[2], {"data": {"Corefile": ".:53 {\n    errors\n}\n"}}, "application/merge-patch+json")
    before = w.state()
    overlay = objects("overlays", "replace-coredns")
    w.applied(overlay, "--server-side", "--force-conflicts")
    only_the_image_differs(w, before, pod_of(overlay[0])["containers"][0]["image"])


def overlay_needs_a_deployment(w):
    w.remove()
    status, said = w.apply(objects("overlays", "replace-coredns"), "--server-side")
    check(status != 0 and "selector" in said, said)


def check_pod_is_beside(w):
    """Accepted, as the base's Pods are but for its name, and selected by no Service."""
    w.kubeadm()
    pod = from_file("deploy/check-pod.yaml")[0]
    w.applied([pod], "--dry-run=server")
    check("k8s-app" not in pod["metadata"]["labels"], pod["metadata"])
    base = pod_of(next(t for t in objects("base") if t["kind"] == "Deployment"))
    for key in ("serviceAccountName", "dnsPolicy", "securityContext", "volumes", "tolerations", "nodeSelector"):
        check_equal(pod["spec"][key], base[key], key)
    for key in ("args", "securityContext", "volumeMounts", "resources", "readinessProbe"):
        check_equal(pod["spec"]["containers"][0][key], base["containers"][0][key], key)


# -- it runs ------------------------------------------------------------------
def serves(w, c):
    c.wait_ready()
    for transport in ("+notcp", "+tcp"):
        check_equal(c.dig(transport, "kube-dns.kube-system.svc.cluster.local", "A"), "10.96.0.10", c.log())
    check_equal(c.dig("-x", "10.96.0.10"), "kube-dns.kube-system.svc.cluster.local.", "PTR")
    check_equal(c.dig("10-244-1-7.kube-system.pod.cluster.local", "A"), "10.244.1.7", "a pod's name")
    check_equal(c.http_status(8080, "/health"), 200, "/health")
    check_equal(c.http_status(9153, "/metrics"), 200, "/metrics")


def runs_in_kubeadm_s_deployment(w):
    """What the API server holds after the swap, run as a kubelet would."""
    w.kubeadm()
    w.applied(objects("overlays", "replace-coredns"), "--server-side", "--force-conflicts")
    with w.container(w.api.get(DEPLOYMENT)) as c:
        serves(w, c)


def runs_in_base(w):
    w.remove()
    w.applied(objects("base"))
    with w.container(w.api.get(DEPLOYMENT)) as c:
        serves(w, c)


CASES = (base_is_accepted, base_is_restricted, role_is_coredns_s, base_stands_where_kubeadm_s_does, overlay_of_the_page,
         swap_by_overlay_and_back, swap_by_command_and_back, changes_of_the_operator_stay, overlay_needs_a_deployment,
         check_pod_is_beside, runs_in_kubeadm_s_deployment, runs_in_base)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--image", required=True)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("only", nargs="*")
    options = parser.parse_args()
    options.image, options.binary = os.path.abspath(options.image), os.path.abspath(options.binary)
    cases = Cases(options.only)
    if os.geteuid() != 0:
        cases.skip("swap", "needs root")
        cases.finish()
    if not options.inside:
        os.execvp("unshare", ["unshare", "--net", sys.executable, os.path.abspath(__file__), "--inside"] + sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that containers are ended
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    try:
        with Rig() as rig:
            w = World(rig, options)
            try:
                for case in CASES:
                    cases.run(case.__name__, case, w)
            finally:
                shutil.rmtree(w.folder, ignore_errors=True)
    except Skip as e:
        cases.skip("swap", str(e))
    cases.finish()


if __name__ == "__main__":
    main()
