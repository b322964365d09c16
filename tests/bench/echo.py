#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CPU per answered query, beside what the kernel's UDP path alone costs.

    echo.py [--names 10000] [--rounds 3] [--round-seconds 5] [--binary PATH] [--echo PATH] [--json FILE]

Binnacle serves N Services from manifests; bench_echo sends every datagram back
(recvmmsg, sendmmsg). The server of the round is pinned to core 0, dnsperf to core
1; rounds of the two alternate. CPU is the scheduler's own count for all threads.
"""

import argparse
import os
import re
import signal
import subprocess
import tempfile
import time

import figures
import gen
from dnsclient import DnsClient
from process import free_port, spawn, stop
from server import TREE, Server

SERVER_CORE, LOAD_CORE = "0", "1"


def cpu_ns(pid):
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
            total += int(f.read().split()[0])
    return total


def dnsperf(port, questions, seconds):
    """(answered, lost) of one run."""
    done = subprocess.run(["taskset", "-c", LOAD_CORE, "dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", questions,
                           "-c", "8", "-q", "200", "-l", str(seconds)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    completed = re.search(r"Queries completed:\s+(\d+)", done.stdout)
    if done.returncode or not completed:
        raise RuntimeError("dnsperf: " + done.stdout[-500:])
    lost = re.search(r"Queries lost:\s+(\d+)", done.stdout)
    codes = re.search(r"Response codes:\s+(.*)", done.stdout)
    return int(completed.group(1)), int(lost.group(1)) if lost else 0, codes.group(1) if codes else ""


def one_round(process, port, questions, seconds):
    before = cpu_ns(process.pid)
    answered, lost, codes = dnsperf(port, questions, seconds)
    used = cpu_ns(process.pid) - before
    return {"us": used / 1000 / answered, "qps": answered / seconds, "lost": lost, "codes": codes}


def find_echo(options):
    """bench_echo: as given, or built beside the program."""
    if options.echo:
        return options.echo
    folder, target = os.path.join(TREE, "build"), "tests/bench/bench_echo"
    done = subprocess.run(["ninja", "-C", folder, target], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit("echo.py: cannot build bench_echo; `meson setup build` first, or give --echo PATH\n"
                         + done.stdout[-2000:])
    return os.path.join(folder, target)


def measure(options, folder):
    manifests, questions = os.path.join(folder, "manifests"), os.path.join(folder, "questions")
    gen.write_services(options.names, manifests)
    gen.main(["questions", str(options.names), questions])
    echo_port = free_port()
    # Room for dnsperf's hundreds of questions in flight is the default socket buffer.
    echo = spawn(["taskset", "-c", SERVER_CORE, find_echo(options), "-p", str(echo_port)], os.path.join(folder, "echo.log"))
    rounds = {"echo": [], "binnacle": []}
    try:
        with Server("binnacle", ["manifests " + manifests, "ttl 5"], options.binary, zones="cluster.local",
                    wrapper=("taskset", "-c", SERVER_CORE)) as server:
            server.wait_ready(60)
            client = DnsClient(server.port)
            answer, _ = client.wait(gen.name_of(options.names) + ".", "A", lambda a: a.records, 30)
            if not answer or answer.records != [gen.address_of(options.names)]:
                raise SystemExit("echo.py: a wrong answer: %s" % answer)
            for number in range(options.rounds + 1):
                for kind, process, port in (("echo", echo, echo_port), ("binnacle", server.process, server.port)):
                    other = server.process if kind == "echo" else echo
                    other.send_signal(signal.SIGSTOP)  # its timers are not to be counted to anybody
                    seconds = options.round_seconds if number else 1
                    one = one_round(process, port, questions, seconds)
                    other.send_signal(signal.SIGCONT)
                    time.sleep(0.2)
                    if number:  # the first, short one warms up
                        rounds[kind].append(one)
    finally:
        stop(echo)
    return rounds


def main():
    parser = argparse.ArgumentParser()
    figures.add_arguments(parser)
    parser.add_argument("--names", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--round-seconds", type=int, default=5)
    parser.add_argument("--echo")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rounds = measure(options, folder)
    base = figures.median([r["us"] for r in rounds["echo"]])
    print("%d names, mix 40 %% A, 30 %% AAAA, 30 %% NXDOMAIN; %d rounds of %d s" % (
        options.names, options.rounds, options.round_seconds))
    figures.table(["", "CPU/query, us", "lowest", "highest", "x echo", "queries/s", "lost"], [
        [kind, "%.2f" % figures.median([r["us"] for r in each]), "%.2f" % min(r["us"] for r in each),
         "%.2f" % max(r["us"] for r in each), "%.2f" % (figures.median([r["us"] for r in each]) / base),
         "%.0f" % figures.median([r["qps"] for r in each]), sum(r["lost"] for r in each)]
        for kind, each in rounds.items()])
    print("answers: " + rounds["binnacle"][-1]["codes"])
    figures.write_json(options, rounds)


if __name__ == "__main__":
    main()
