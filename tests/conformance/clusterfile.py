# SPDX-License-Identifier: Apache-2.0
"""A cluster's Corefile made fit for a test: the same directives with the same options, on ports
and with upstreams of the test's own, and the cluster read from files.

What changes: the port, `bind`, the ports of health, ready and prometheus, `lameduck` (a test does
not wait for it), /etc/resolv.conf, and where `kubernetes` has its objects from."""

import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
KUBEADM = os.path.join(TREE, "deploy", "base", "Corefile")
DIRECTIVE = r"(?m)^(\s*)%s\b"


def read(path):
    with open(path) as f:
        return f.read()


def fitted(text, upstreams):
    """upstreams: what stands in /etc/resolv.conf's place, `IP:port IP:port`."""
    text = re.sub(r"(?m)^\s*bind [^\n]*\n", "", text)
    text = re.sub(r"(?m)^\S.*:53 \{$", lambda keys: keys.group().replace(":53", ":PORT") + "\n    bind 127.0.0.1", text)
    text = re.sub(DIRECTIVE % "health" + r"( \S+:8080)?", r"\1health 127.0.0.1:HEALTH", text)
    text = re.sub(DIRECTIVE % "ready", r"\1ready 127.0.0.1:READY", text)
    text = re.sub(DIRECTIVE % r"prometheus (0\.0\.0\.0)?:9[12]53", r"\1prometheus 127.0.0.1:METRICS", text)
    text = re.sub(r"lameduck \d+s", "lameduck 0s", text)
    return text.replace("/etc/resolv.conf", upstreams)


def with_manifests(text):
    """`kubernetes` reads the folder m of the test."""
    return re.sub(r"(?m)^(\s*kubernetes [^\n{]*\{)$", r"\1\n       manifests DIR/m", text)


def with_hosts(text, lines):
    """For CoreDNS without an API server: `kubernetes` gives way to `hosts` with the same names."""
    hosts = "hosts {\n%s\n       fallthrough\n    }" % "\n".join("       " + line for line in lines)
    return re.sub(r"kubernetes [^\n{]*\{[^}]*\}", lambda _: hosts, text)
