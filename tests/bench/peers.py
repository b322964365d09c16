# SPDX-License-Identifier: Apache-2.0
"""The servers that are measured, each a process on the core that is theirs.

A Peer is started with the cluster's zone as text (NSD, Knot, Unbound: a zone file;
dnsmasq: hosts) or with the API server's credentials (Binnacle, CoreDNS), and with
the address of the one upstream. Missing programs raise Skip with a reason."""

import os
import shutil
import signal
import socket
import subprocess
import time

import figures  # noqa: F401 (it makes the rig's folder known)
from process import scratch_folder, spawn, stop, tail
from rig import Skip
from server import program

SERVER_CORE, LOAD_CORE = "0", "1"
START_S = 90

# kubeadm's Corefile; where objects come from, and the ports, are ours.
COREFILE = """.:%(port)d {
    errors
    health 127.0.0.1:%(health)d
    ready 127.0.0.1:%(ready)d
%(more)s
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       %(objects)s
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus 127.0.0.1:%(metrics)d
    forward . %(upstream)s {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""

NSD = """server:
    ip-address: 127.0.0.1@%(port)d
    server-count: 1
    username: ""
    chroot: ""
    zonesdir: "%(dir)s"
    xfrdir: "%(dir)s"
    database: ""
    zonelistfile: "%(dir)s/zone.list"
    xfrdfile: "%(dir)s/xfrd.state"
    pidfile: "%(dir)s/nsd.pid"
    tcp-count: 200
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: %(zone)s
    zonefile: "zone"
"""

KNOT = """server:
    rundir: %(dir)s
    listen: 127.0.0.1@%(port)d
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
control:
    listen: %(dir)s/knot.sock
log:
  - target: stderr
    any: warning
database:
    storage: %(dir)s
zone:
  - domain: %(zone)s
    storage: %(dir)s
    file: zone
    zonefile-sync: -1
    semantic-checks: off
"""

UNBOUND = """server:
    directory: ""
    chroot: ""
    username: ""
    pidfile: ""
    do-daemonize: no
    use-syslog: no
    verbosity: 0
    num-threads: 1
    interface: 127.0.0.1@%(port)d
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: no
    module-config: "iterator"
    incoming-num-tcp: 200
    msg-cache-size: 64m
    rrset-cache-size: 128m
    outgoing-range: 4096
    num-queries-per-thread: 2048
remote-control:
    control-enable: no
auth-zone:
    name: cluster.local
    zonefile: "%(dir)s/zone"
    for-downstream: yes
    for-upstream: no
forward-zone:
    name: "."
    forward-addr: %(upstream_at)s
"""


def find_tool(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not path:
        raise Skip("no %s on this machine" % name)
    return path


def free_ports(count):
    """Free for UDP and TCP on all addresses."""
    held, ports = [], []
    try:
        while len(ports) < count:
            tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            held += [tcp, udp]
            tcp.bind(("", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            ports.append(tcp.getsockname()[1])
    finally:
        for sock in held:
            sock.close()
    return ports


def descendants(pid):
    """pid and its children's children."""
    found = [pid]
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, task)) as f:
            found += [each for child in f.read().split() for each in descendants(int(child))]
    return found


class Peer:
    """setting: what the whole run has (see Setting). prepare() writes files and returns argv."""

    cores = SERVER_CORE
    zone_file = True

    def __init__(self, name, setting):
        self.name, self.setting = name, setting
        self.dir = scratch_folder("binnacle-bench-")
        self.port, self.health, self.ready, self.metrics = free_ports(4)
        self.process = None

    def words(self):
        address, port = self.setting.upstream
        return {"dir": self.dir, "port": self.port, "health": self.health, "ready": self.ready, "metrics": self.metrics,
                "zone": "cluster.local", "upstream": "%s:%d" % (address, port), "upstream_at": "%s@%d" % (address, port)}

    def start(self):
        if self.zone_file:
            os.symlink(self.setting.zone_path(), os.path.join(self.dir, "zone"))
        argv = ["taskset", "-c", self.cores] + self.prepare()
        self.process = spawn(argv, self.path("log"), cwd=self.dir)
        return self

    def discard(self):
        if self.process is not None and self.process.poll() is None:
            self.resume()
            stop(self.process)
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def alive(self):
        if self.process.poll() is not None:
            raise RuntimeError("%s ended with %s:\n%s" % (self.name, self.process.returncode, tail(self.path("log"))))

    # -- what it costs ----------------------------------------------------------
    def cpu_ns(self):
        """Of all its threads and processes, by the scheduler's own count."""
        total = 0
        for pid in descendants(self.process.pid):
            for task in os.listdir("/proc/%d/task" % pid):
                with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
                    total += int(f.read().split()[0])
        return total

    def rss_kib(self):
        """Resident, of all its processes; what they share counts once for each (Pss)."""
        total = 0
        for pid in descendants(self.process.pid):
            with open("/proc/%d/smaps_rollup" % pid) as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        return total

    def pause(self):
        """Its timers are not to be counted to anybody."""
        for pid in descendants(self.process.pid):
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        for pid in descendants(self.process.pid):
            os.kill(pid, signal.SIGCONT)


class Echo(Peer):
    """On a wildcard socket with packet information, as a server on .:53 must."""

    zone_file = False

    def prepare(self):
        return [self.setting.echo, "-p", str(self.port), "-w"]


class Nsd(Peer):
    def prepare(self):
        return [find_tool("nsd"), "-d", "-c", self.write("conf", NSD % self.words())]


class Knot(Peer):
    def prepare(self):
        return [find_tool("knotd"), "-c", self.write("conf", KNOT % self.words())]


class Unbound(Peer):
    def prepare(self):
        return [find_tool("unbound"), "-d", "-c", self.write("conf", UNBOUND % self.words())]


class Dnsmasq(Peer):
    zone_file = False

    def prepare(self):
        address, port = self.setting.upstream
        hosts = "".join("%s %s\n" % (address, owner.rstrip(".")) for owner, kind, address in self.setting.records()
                        if kind in ("A", "AAAA") and owner.count(".") <= 5)
        return [find_tool("dnsmasq"), "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", "--port=%d" % self.port,
                "--addn-hosts=" + self.write("hosts", hosts), "--local=/cluster.local/", "--cache-size=10000",
                "--dns-forward-max=2000", "--local-ttl=30", "--listen-address=127.0.0.1", "--bind-interfaces",
                "--user=root", "--pid-file=", "--server=%s#%d" % (address, port)]


class Kubernetes(Peer):
    """Binnacle and CoreDNS: one Corefile, one API server."""

    zone_file = False
    lines = ()

    def prepare(self):
        words = dict(self.words(), objects=self.setting.objects, more="\n".join("    " + line for line in self.lines))
        return [self.program(), "-conf", self.write("Corefile", COREFILE % words)]


class Binnacle(Kubernetes):
    def program(self):
        return program("binnacle", self.setting.binary)


class Coredns(Kubernetes):
    def program(self):
        return program("coredns")


class CorednsMultisocket(Coredns):
    lines = ("multisocket 2",)


class Primary(Binnacle):
    """Hands out the zone as text."""

    lines = ("transfer {\n       to *\n    }",)


KINDS = {"echo": Echo, "binnacle": Binnacle, "nsd": Nsd, "knot": Knot, "unbound": Unbound, "dnsmasq": Dnsmasq,
         "coredns": Coredns, "coredns-multisocket": CorednsMultisocket}
ALL = list(KINDS)


class Upstream(Nsd):
    """Every name below example. has an address: a wildcard. Shares the load's core."""

    cores = LOAD_CORE

    def start(self):
        self.write("zone", "$TTL 3600\n@ SOA ns hostmaster 1 7200 1800 86400 5\n@ NS ns\nns A 192.0.2.53\n* A 192.0.2.80\n")
        self.zone_file = False
        return super().start()

    def words(self):
        return {"dir": self.dir, "port": self.port, "zone": "example"}


def wait_answers(peer, client, name, kind, is_right):
    """Until it gives the right answer; RuntimeError with its log if it does not."""
    end = time.monotonic() + START_S
    answer = None
    while time.monotonic() < end:
        peer.alive()
        answer, _ = client.wait(name, kind, is_right, 1)
        if answer is not None and is_right(answer):
            return
    raise RuntimeError("%s: no right answer to %s %s in %d s (%s):\n%s" % (peer.name, name, kind, START_S, answer,
                                                                          tail(peer.path("log"))))


def transfer(port, folder):
    """The zone as text, from Binnacle; a file's path."""
    path = os.path.join(folder, "cluster.local.zone")
    done = subprocess.run([find_tool("dig"), "@127.0.0.1", "-p", str(port), "+tcp", "+onesoa", "+nocmd", "+nostats",
                           "+nocomments", "cluster.local.", "AXFR"], stdout=subprocess.PIPE, text=True)
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith(";")]
    if done.returncode or len(lines) < 2:
        raise RuntimeError("no zone transfer from port %d: %s" % (port, done.stdout[-500:]))
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
    return path
