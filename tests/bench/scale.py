#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Start-up time, CPU and memory with a large cluster in a real API server.

    scale.py [--services 10000] [--endpoints 15] [--updates 2000] [--servers binnacle,coredns] [--json FILE]

Every Service gets one slice of --endpoints endpoints; every tenth Service is
headless. Loading them takes two minutes; etcd's data are then kept beside the
built programs, and later runs start from a copy. The servers run one after the
other, --rounds times: time and CPU until /ready says yes, memory then, after
--updates slices were changed, and the peak while it lists everything anew, because
the API server comes back without history. Binnacle is in a cgroup of 64 MiB, where one
can be made.
"""

import argparse
import os
import shutil
import tempfile
import threading
import time

import figures
import kube
from cgroup import Cgroup
from rig import Rig, build
from server import Server, endpoint_options

CONNECTIONS = 12
NAMESPACES = 50
WARM_STARTS = 2
SETTLED_TICKS, SETTLE_MOST_S = 5, 30  # of 10 ms, in a second
CGROUP_MIB, UNLIMITED = 64, 1 << 40  # Binnacle's limit; the kernel's part counts


def place(i):
    return "scale-%d" % (i % NAMESPACES), "svc-%d" % i


def slice_of(i, endpoints, generation=0):
    ns, name = place(i)
    start = i * endpoints + generation * 7
    addresses = ["10.%d.%d.%d" % (128 + (n >> 16 & 63), n >> 8 & 255, n & 255) for n in range(start, start + endpoints)]
    made = kube.endpoint_slice(ns, name + "-abcde", name, [
        dict(kube.endpoint(a), nodeName="node-%d" % (k % 100),
             targetRef={"kind": "Pod", "namespace": ns, "name": "%s-%d" % (name, k)})
        for k, a in enumerate(addresses)])
    return made


def in_parallel(rig, numbers, work):
    """work(client, number) for all numbers over CONNECTIONS connections."""
    numbers = list(numbers)
    errors = []

    def one(share):
        client = rig.client()
        try:
            for n in share:
                work(client, n)
        except Exception as e:
            errors.append(e)
        finally:
            client.close()

    threads = [threading.Thread(target=one, args=(numbers[k::CONNECTIONS],)) for k in range(CONNECTIONS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


def load(rig, services, endpoints):
    client = rig.client()
    for i in range(NAMESPACES):
        client.create(kube.namespace("scale-%d" % i))

    def create(client, i):
        ns, name = place(i)
        client.create(kube.service(ns, name, headless=i % 10 == 0))
        client.create(slice_of(i, endpoints))

    in_parallel(rig, range(services), create)


def loaded_data(services, endpoints):
    """A folder of etcd data with all the objects, made if it is not there yet."""
    cache = os.path.dirname(build("kube"))
    folder = os.path.join(cache, "etcd-scale-1-%d-%d" % (services, endpoints))
    if os.path.isdir(folder):
        return folder
    started = time.monotonic()
    print("loading %d Services and slices, once" % services, flush=True)
    with Rig() as rig:
        load(rig, services, endpoints)
        rig.compact()
        rig.stop_gently()
        work = tempfile.mkdtemp(prefix=".loading-", dir=cache)
        shutil.copytree(rig.path("etcd"), work, dirs_exist_ok=True)
    try:
        os.rename(work, folder)
    except OSError:
        shutil.rmtree(work)  # another run was faster
    print("loaded in %.0f s" % (time.monotonic() - started), flush=True)
    return folder


def cpu_ticks(process):
    with open("/proc/%d/stat" % process.pid) as f:
        return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))


def warm_up(rig, kind, options):
    """An API server that has just started is busy with itself, and has a small heap that it collects all the time; in
    a cluster it has been there for long. So each server has started against it before."""
    for _ in range(WARM_STARTS):
        with Server(kind, endpoint_options(rig) + ["ttl 5"], figures.binary_of(options, kind)) as server:
            server.wait_ready(120)
    wait_settled(rig)


def wait_settled(rig):
    end = time.monotonic() + SETTLE_MOST_S
    while time.monotonic() < end:
        before = cpu_ticks(rig.api) + cpu_ticks(rig.etcd)
        time.sleep(1)
        if cpu_ticks(rig.api) + cpu_ticks(rig.etcd) - before < SETTLED_TICKS:
            return


def measure(rig, kind, options):
    warm_up(rig, kind, options)
    with Cgroup(CGROUP_MIB << 20 if kind == "binnacle" else UNLIMITED) as cgroup:
        out = measure_inside(rig, kind, options, cgroup)
        most = cgroup.peak_bytes()
        if most is not None:
            out["cgroup_peak_mib"] = most / (1 << 20)
        return out


def measure_inside(rig, kind, options, cgroup):
    with Server(kind, endpoint_options(rig) + ["ttl 5"], figures.binary_of(options, kind),
                wrapper=cgroup.wrapper) as server:
        ready_s = server.wait_ready(120, pause_s=0.005)
        ready_cpu_s = server.cpu_s()
        last = options.services - 1 - (options.services - 1) % 10
        ns, name = place(last)
        client = server.client()
        answer, _ = client.wait("%s.%s.svc.cluster.local." % (name, ns), "A",
                                lambda a: len(a.records) == options.endpoints, 10)
        if answer is None or len(answer.records) != options.endpoints:
            raise SystemExit("%s: a wrong answer after /ready: %s" % (kind, answer))
        time.sleep(2)
        out = {"ready_s": ready_s, "ready_cpu_s": ready_cpu_s, "ready": server.memory_kib()}
        before = server.cpu_s()
        in_parallel(rig, range(options.updates), lambda c, i: c.replace(slice_of(i, options.endpoints, generation=1)))
        time.sleep(2)
        out["update_cpu_us"] = (server.cpu_s() - before) * 1e6 / options.updates
        out["updated"] = server.memory_kib()
        before = server.cpu_ns()
        time.sleep(options.idle)
        out["idle_percent"] = (server.cpu_ns() - before) / 1e7 / options.idle if options.idle else 0
        out["steady_mib"] = server.memory_kib()["VmRSS"] / 1024
        out["start_peak_mib"] = out["ready"]["VmHWM"] / 1024
        out["relist_peak_mib"] = relist_peak(rig, server, kind) / 1024
    return out


def relist_peak(rig, server, kind):
    """The most that was resident from the API server's end until a new object is answered, KiB."""
    with open("/proc/%d/clear_refs" % server.process.pid, "w") as f:
        f.write("5")
    rig.kill_api()
    rig.compact()
    rig.start_api()
    api, name = rig.client(), "after-relist-" + kind
    address = api.create(kube.service(place(0)[0], name))["spec"]["clusterIP"]
    answer, _ = server.client().wait("%s.%s.svc.cluster.local." % (name, place(0)[0]), "A",
                                     lambda a: a.records == [address], 90)
    if answer is None or answer.records != [address]:
        raise SystemExit("%s did not come back after the relist: %s" % (kind, answer))
    time.sleep(3)
    return server.memory_kib()["VmHWM"]


ROWS = [
    ("time to ready, s", lambda f: f["ready_s"], "%.2f"),
    ("CPU to ready, s", lambda f: f["ready_cpu_s"], "%.2f"),
    ("resident, MiB", lambda f: f["ready"]["VmRSS"] / 1024, "%.1f"),
    ("- of it anonymous", lambda f: f["ready"]["RssAnon"] / 1024, "%.1f"),
    ("- of it file-backed", lambda f: f["ready"]["RssFile"] / 1024, "%.1f"),
    ("proportional (Pss), MiB", lambda f: f["ready"]["Pss"] / 1024, "%.1f"),
    ("peak, MiB", lambda f: f["ready"]["VmHWM"] / 1024, "%.1f"),
    ("resident after the updates, MiB", lambda f: f["updated"]["VmRSS"] / 1024, "%.1f"),
    ("peak after the updates, MiB", lambda f: f["updated"]["VmHWM"] / 1024, "%.1f"),
    ("CPU per updated slice, us", lambda f: f["update_cpu_us"], "%.0f"),
    ("CPU when idle, % of a core", lambda f: f["idle_percent"], "%.3f"),
    ("peak of a forced relist, MiB", lambda f: f["relist_peak_mib"], "%.1f"),
    ("most in its cgroup, MiB", lambda f: f.get("cgroup_peak_mib", float("nan")), "%.1f"),
]


def add_arguments(parser):
    parser.add_argument("--services", type=int, default=10000)
    parser.add_argument("--endpoints", type=int, default=15)
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--idle", type=float, default=20, help="seconds to watch the idle server")


def measure_all(options):
    """{server: [figures of a round]}"""
    data = loaded_data(options.services, options.endpoints)
    out = {kind: [] for kind in ("binnacle", "coredns") if kind in options.names}
    for _ in range(options.rounds):
        for kind in out:
            with Rig(etcd_data=data) as rig:
                out[kind].append(measure(rig, kind, options))
    return out


def show(options, out):
    """Of each figure the median of its rounds."""
    print("\n%d Services, %d slices, %d endpoints" % (options.services, options.services,
                                                    options.services * options.endpoints))
    figures.table([""] + list(out), [
        [label] + [text % figures.median([cell(f) for f in rounds]) for rounds in out.values()]
        for label, cell, text in ROWS])


def main():
    parser = argparse.ArgumentParser()
    figures.add_arguments(parser)
    add_arguments(parser)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    out = measure_all(options)
    show(options, out)
    figures.write_json(options, out)


if __name__ == "__main__":
    main()
