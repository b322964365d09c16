# SPDX-License-Identifier: Apache-2.0
"""Works in which the cluster changes: what an update costs, and what clients notice.

    churn   500 slices of 15 endpoints a second change: CPU per update, without a
            question; p99 of 5,000 questions a second without and with the updates
    busy    p99.9 of 20,000 questions a second while 500 slices a second change
    slices  one slice of 100 endpoints changes, of a Service with 5,000 and one with 100

The writers, the API server and dnsperf share a core; dnsperf goes first (nice), so
that the latencies are the server's and not its own. The echo tells what is left."""

import threading
import time

import figures
import kube
import load
import peers
import queries
import works
from dnsclient import DnsClient
from scale import slice_of

UPDATES_PER_S, CHURN_S = 500, 8
WRITERS = 6
CHURN_QPS, BUSY_QPS = 5000, 20000
SLICE_UPDATES = 200
SETTLE_S = 1.0
SERVICE_NAMES = {"one slice of 100": 100, "50 slices of 100": 5000}


class Churn:
    """Writers in threads; each slice gets other addresses with every write."""

    def __init__(self, rig, per_second=UPDATES_PER_S):
        self.rig, self.per_second = rig, per_second
        self.stopping, self.written, self.errors = threading.Event(), 0, []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.write, args=(k,)) for k in range(WRITERS)]

    def write(self, which):
        client, number, pause = self.rig.client(), 0, WRITERS / self.per_second
        due = time.monotonic() + pause * which / WRITERS
        try:
            while not self.stopping.is_set():
                i = (which + WRITERS * number) % queries.SERVICES
                client.replace(slice_of(i, queries.ENDPOINTS, generation=int(time.monotonic() * 10) % 1000 + 1))
                number += 1
                with self.lock:
                    self.written += 1
                due += pause
                time.sleep(max(0, due - time.monotonic()))
        except Exception as e:
            self.errors.append(e)
        finally:
            client.close()

    def __enter__(self):
        self.began = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        self.seconds = time.monotonic() - self.began
        if self.errors:
            raise self.errors[0]


def update_cost(setting, peer):
    """{"us": CPU per update, "per_second": how many there really were}"""
    before = peer.cpu_ns()
    with Churn(setting.rig) as churn:
        time.sleep(CHURN_S)
    time.sleep(SETTLE_S)
    return {"us": (peer.cpu_ns() - before) / 1000 / churn.written, "per_second": churn.written / churn.seconds}


def latencies(setting, peer, rate, churning):
    path = queries.questions_of(setting, works.BY_NAME["mix"], 0, 1)
    if not churning:
        return load.latency(peer, path, CHURN_S, rate)
    with Churn(setting.rig):
        time.sleep(SETTLE_S)
        return load.latency(peer, path, CHURN_S, rate)


class Fresh:
    """A server of its own: one that was stopped meanwhile has lost its watches."""

    def __init__(self, setting, name):
        self.peer = peers.KINDS[name](name, setting)

    def __enter__(self):
        self.peer.start()
        if self.peer.name != "echo":
            peers.wait_answers(self.peer, DnsClient(self.peer.port), *works.probes()["mix"])
            time.sleep(SETTLE_S)
        return self.peer

    def __exit__(self, *_):
        self.peer.discard()


def wanted(options):
    return [name for name in ("echo", "binnacle", "coredns") if name in options.names]


def measure_churn(setting, options):
    out = {name: {"updates": [], "quiet": [], "churn": []} for name in wanted(options)}
    for _ in range(options.rounds):
        for name in out:
            with Fresh(setting, name) as peer:
                if name != "echo":
                    out[name]["updates"].append(update_cost(setting, peer))
                out[name]["quiet"].append(latencies(setting, peer, CHURN_QPS, False))
                out[name]["churn"].append(latencies(setting, peer, CHURN_QPS, True))
    return out


def middle(rounds, key):
    return figures.median([each[key] for each in rounds])


def show_churn(out):
    print("\nchurn: %d slices of %d endpoints change every second; latency in ms at %d questions/s" % (
        UPDATES_PER_S, queries.ENDPOINTS, CHURN_QPS))
    rows = []
    for name, each in out.items():
        updates = each["updates"]
        rows.append([name, "%.0f" % middle(updates, "us") if updates else "-",
                     "%.0f" % middle(updates, "per_second") if updates else "-"]
                    + ["%.3f" % middle(each[when], key) for when in ("quiet", "churn") for key in ("p50", "p99")])
    figures.table(["", "CPU/update, us", "updates/s", "quiet p50", "quiet p99", "churn p50", "churn p99"], rows)


def measure_busy(setting, options):
    out = {name: [] for name in wanted(options)}
    for _ in range(options.rounds):
        for name in out:
            with Fresh(setting, name) as peer:
                out[name].append(latencies(setting, peer, BUSY_QPS, True))
    return out


def show_busy(out):
    print("\nbusy: %d questions/s while %d slices change every second, ms" % (BUSY_QPS, UPDATES_PER_S))
    figures.table(["", "p50", "p99", "p99.9", "lost"], [
        [name] + ["%.3f" % middle(rounds, key) for key in ("p50", "p99", "p99.9")] + [sum(r["lost"] for r in rounds)]
        for name, rounds in out.items()])


# -- one slice among many -----------------------------------------------------------
def big_slice(name, k, generation):
    addresses = ["10.%d.%d.%d" % (220 + generation % 2, k, n + 1) for n in range(works.PER_SLICE)]
    return kube.endpoint_slice(works.NAMESPACE, "%s-%d" % (name, k), name, [kube.endpoint(a) for a in addresses])


def measure_slices(setting, options):
    """{server: {endpoints: [us per update]}}"""
    client, out = setting.rig.client(), {}
    names = {count: "slices-%d" % count for count in SERVICE_NAMES.values()}
    for count, name in names.items():
        client.create(kube.service(works.NAMESPACE, name, headless=True))
        for k in range(count // works.PER_SLICE):
            client.create(big_slice(name, k, 0))
    for kind in wanted(options):
        if kind == "echo":
            continue
        out[kind] = {str(count): [] for count in names}
        with Fresh(setting, kind) as peer:
            for number in range(options.rounds):
                for count, name in names.items():
                    before = peer.cpu_ns()
                    for generation in range(SLICE_UPDATES):
                        client.replace(big_slice(name, 0, number * SLICE_UPDATES + generation + 1))
                    time.sleep(SETTLE_S / 2)
                    out[kind][str(count)].append((peer.cpu_ns() - before) / 1000 / SLICE_UPDATES)
    client.close()
    return out


def show_slices(out):
    print("\nslices: one slice of %d endpoints of a Service changes; CPU per update, us" % works.PER_SLICE)
    figures.table([""] + ["%d endpoints" % count for count in SERVICE_NAMES.values()], [
        [kind] + ["%.0f" % figures.median(each) for each in counts.values()] for kind, counts in out.items()])
