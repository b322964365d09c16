#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Start-up time, CPU and memory with a large cluster in a real API server.

    scale.py [--services 10000] [--endpoints 15] [--updates 2000] [--servers binnacle,coredns] [--json FILE]

Every Service gets one slice of --endpoints endpoints; every tenth Service is
headless. Loading them takes two minutes; etcd's data are then kept beside the
built programs, and later runs start from a copy. The servers run one after the
other: time and CPU until /ready says yes, memory then, and after --updates slices
were changed.
"""

import argparse
import os
import shutil
import tempfile
import threading
import time

import figures
import kube
from rig import Rig, build
from server import Server, kubeconfig_options

CONNECTIONS = 12
NAMESPACES = 50


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


def measure(rig, kind, options):
    with Server(kind, kubeconfig_options(rig.path("dns.kubeconfig")), figures.binary_of(options, kind)) as server:
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
        if options.updates:
            in_parallel(rig, range(options.updates),
                        lambda c, i: c.replace(slice_of(i, options.endpoints, generation=1)))
            time.sleep(2)
            out["update_cpu_us"] = (server.cpu_s() - before) * 1e6 / options.updates
            out["updated"] = server.memory_kib()
        before = server.cpu_s()
        time.sleep(options.idle)
        out["idle_percent"] = (server.cpu_s() - before) * 100 / options.idle if options.idle else 0
    return out


ROWS = [
    ("time to ready, s", lambda f: "%.2f" % f["ready_s"]),
    ("CPU to ready, s", lambda f: "%.2f" % f["ready_cpu_s"]),
    ("resident, MiB", lambda f: mib(f["ready"]["VmRSS"])),
    ("- of it anonymous", lambda f: mib(f["ready"]["RssAnon"])),
    ("- of it file-backed", lambda f: mib(f["ready"]["RssFile"])),
    ("proportional (Pss), MiB", lambda f: mib(f["ready"]["Pss"])),
    ("peak, MiB", lambda f: mib(f["ready"]["VmHWM"])),
    ("resident after the updates, MiB", lambda f: mib(f["updated"]["VmRSS"]) if "updated" in f else "-"),
    ("peak after the updates, MiB", lambda f: mib(f["updated"]["VmHWM"]) if "updated" in f else "-"),
    ("CPU per updated slice, us", lambda f: "%.0f" % f["update_cpu_us"] if "updated" in f else "-"),
    ("CPU when idle, % of a core", lambda f: "%.2f" % f["idle_percent"]),
]


def mib(kib):
    return "%.1f" % (kib / 1024)


def main():
    parser = argparse.ArgumentParser()
    figures.add_arguments(parser)
    parser.add_argument("--services", type=int, default=10000)
    parser.add_argument("--endpoints", type=int, default=15)
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--idle", type=float, default=20, help="seconds to watch the idle server")
    options = parser.parse_args()
    data = loaded_data(options.services, options.endpoints)
    out = {}
    for kind in options.servers.split(","):
        with Rig(etcd_data=data) as rig:
            out[kind] = measure(rig, kind, options)
    print("%d Services, %d slices, %d endpoints" % (options.services, options.services,
                                                    options.services * options.endpoints))
    figures.table([""] + list(out), [[label] + [cell(f) for f in out.values()] for label, cell in ROWS])
    figures.write_json(options, out)


if __name__ == "__main__":
    main()
