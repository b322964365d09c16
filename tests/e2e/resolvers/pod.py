# SPDX-License-Identifier: Apache-2.0
"""A network and mount namespace that looks like a pod's to a resolver: loopback
alone, and the files that a kubelet writes. Nothing reaches outside, and nothing
of it is left when the last process in it ends: mounts are private to it, and
what is mounted over /etc lies in a folder of the test."""

import os
import subprocess
import time
import urllib.error
import urllib.request

from process import spawn, stop, tail

DNS4, DNS6 = "10.96.0.10", "fd00:10:96::a"
READY_PORT = 8181
UNSHARE = ["unshare", "--net", "--mount", "--propagation", "private"]
PROBE = "ip link set lo up && mount --bind /etc/resolv.conf /etc/resolv.conf"

RESOLV_CONF = """search default.svc.cluster.local svc.cluster.local cluster.local
nameserver %s
options ndots:5
"""
HOSTS = """# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
10.244.9.9\tclient
"""
NSSWITCH = "hosts: files dns\nservices: files\nprotocols: files\n"

# What is outside of the cluster is a second block whose zone is the root, and
# which holds nothing: "no such name", as a pod hears of what the world has not.
COREFILE = """cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {
    bind %(addresses)s
    errors
    ready 127.0.0.1:%(ready)d
    kubernetes {
        manifests %(folder)s/cluster
        pods insecure
    }
}
.:53 {
    bind %(addresses)s
    errors
    kubernetes . {
        manifests %(folder)s/outside
    }
}
"""


def way_in():
    """(how to start a command in namespaces of its own, None), or (None, why not): as
    root, or as root of a user namespace."""
    if not os.path.exists("/etc/resolv.conf"):
        return None, "there is no /etc/resolv.conf to mount a pod's over"
    for more in ([], ["--map-root-user"]):
        try:
            done = subprocess.run(UNSHARE + more + ["sh", "-c", PROBE], capture_output=True, text=True)
        except FileNotFoundError:
            return None, "needs unshare"
        if done.returncode == 0:
            return UNSHARE + more, None
    return None, "not root, or no namespaces here: " + (done.stderr.strip() or "status %d" % done.returncode)


class Pod:
    """To be made inside of the namespace, once. folder: an empty one."""

    def __init__(self, folder):
        self.folder = folder
        self.process = None
        self.resolv_conf = self.write("etc/resolv.conf", RESOLV_CONF % DNS4)
        self.ip("link", "set", "lo", "up")
        self.ip("addr", "add", DNS4 + "/32", "dev", "lo")
        self.has_ipv6 = os.path.exists("/proc/net/if_inet6")
        if self.has_ipv6:
            self.ip("addr", "add", DNS6 + "/128", "dev", "lo", "nodad")
        self.mount(self.resolv_conf, "/etc/resolv.conf")
        self.mount(self.write("etc/hosts", HOSTS), "/etc/hosts")
        self.mount(self.write("etc/nsswitch.conf", NSSWITCH), "/etc/nsswitch.conf")
        if os.path.isdir("/run/nscd"):  # its daemon would answer from outside
            os.mkdir(os.path.join(folder, "nscd"))
            self.mount(os.path.join(folder, "nscd"), "/run/nscd")

    @staticmethod
    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    @staticmethod
    def mount(source, target):
        """What this host does not have, its resolvers do without."""
        if os.path.exists(target):
            subprocess.run(["mount", "--bind", source, target], check=True)

    def write(self, name, text):
        """Whoever watches the folder sees it whole."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + "~", "w") as f:
            f.write(text)
        os.rename(path + "~", path)
        return path

    def use_nameserver(self, address):
        """In place: it is the file that is mounted."""
        with open(self.resolv_conf, "w") as f:
            f.write(RESOLV_CONF % address)

    def start(self, binary, manifests):
        self.write("cluster/cluster.yaml", manifests)
        os.mkdir(os.path.join(self.folder, "outside"))
        addresses = " ".join([DNS4] + ([DNS6] if self.has_ipv6 else []))
        corefile = self.write("Corefile", COREFILE % {
            "addresses": addresses, "ready": READY_PORT, "folder": self.folder})
        self.log_path = os.path.join(self.folder, "log")
        self.process = spawn([binary, "-conf", corefile], self.log_path, cwd=self.folder)
        self.wait_ready()

    def wait_ready(self, timeout_s=20):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen("http://127.0.0.1:%d/ready" % READY_PORT, timeout=2) as reply:
                    if reply.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.02)
        raise RuntimeError("Binnacle was not ready:\n" + self.log())

    def log(self):
        return tail(self.log_path)

    def stop(self):
        """Its exit status."""
        stop(self.process)
        return self.process.returncode
