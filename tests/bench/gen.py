#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes N Services as manifests, and questions about them for dnsperf.

    gen.py services N DIR           DIR/services-*.yaml, 500 Services a file
    gen.py questions N FILE [COUNT] the mix of README.md: 40 % A, 30 % AAAA (there is
                                    none: NODATA), 30 % the NXDOMAIN of a search list

The same N gives the same names: svc-I in namespace ns-(I mod 50).
"""

import os
import random
import sys

NAMESPACES = 50
PER_FILE = 500


def namespace_of(i):
    return "ns-%d" % (i % NAMESPACES)


def address_of(i):
    return "10.%d.%d.%d" % (96 + (i >> 16), (i >> 8) & 255, i & 255)


def name_of(i):
    return "svc-%d.%s.svc.cluster.local" % (i, namespace_of(i))


def service_yaml(i):
    return ("apiVersion: v1\nkind: Service\nmetadata:\n  name: svc-%d\n  namespace: %s\nspec:\n  clusterIP: %s\n"
            "  clusterIPs: [%s]\n  ipFamilies: [IPv4]\n  ports: [{name: http, port: 80, protocol: TCP}]\n"
            % (i, namespace_of(i), address_of(i), address_of(i)))


def write_services(count, folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "namespaces.yaml"), "w") as f:
        f.write("---\n".join("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ns-%d\n" % i
                             for i in range(min(count, NAMESPACES))))
    for first in range(0, count, PER_FILE):
        numbers = range(first + 1, min(first + PER_FILE, count) + 1)
        with open(os.path.join(folder, "services-%05d.yaml" % first), "w") as f:
            f.write("---\n".join(service_yaml(i) for i in numbers))


def questions(count, how_many):
    """With the search list of a pod in another namespace, ndots:5."""
    draw = random.Random(4)
    for _ in range(how_many):
        i = draw.randint(1, count)
        kind = draw.random()
        if kind < 0.4:
            yield name_of(i) + " A"
        elif kind < 0.7:
            yield name_of(i) + " AAAA"
        elif kind < 0.85:
            yield "%s.apps.svc.cluster.local A" % name_of(i)
        else:
            yield "www.example%d.com.svc.cluster.local A" % (i % 100)


def main(argv):
    if len(argv) == 3 and argv[0] == "services":
        write_services(int(argv[1]), argv[2])
    elif len(argv) in (3, 4) and argv[0] == "questions":
        with open(argv[2], "w") as f:
            f.writelines(q + "\n" for q in questions(int(argv[1]), int(argv[3]) if len(argv) == 4 else 100000))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
