# SPDX-License-Identifier: Apache-2.0
"""What the cases of test_real.py share: a rig to write to, servers to ask, and what
a right answer looks like."""

import os
import time

import kube
from cases import Skipped, check
from server import Server, kubeconfig_options

EVENT_S = 2.0    # a written object is answered within
RETURN_S = 2.0   # a new object after the API server is back
POLL_S = 75.0     # an API that was not there is looked for about once a minute
BACKOFF_S = 90.0  # after refusals (401, 403) the pause may have grown to a minute


def domain(name, ns):
    return "%s.%s.svc.cluster.local." % (name, ns)


def has(*addresses):
    wanted = sorted(addresses)
    return lambda answer: answer.rcode == "NOERROR" and answer.records == wanted


def is_rcode(rcode):
    return lambda answer: answer.rcode == rcode and not answer.records


def nothing(answer):
    """NODATA or NXDOMAIN: a headless Service without ready endpoints."""
    return answer.rcode in ("NOERROR", "NXDOMAIN") and not answer.records


gone = is_rcode("NXDOMAIN")
nodata = is_rcode("NOERROR")


class World:
    """A rig with what a case needs to hand; each case has a namespace of its own."""

    def __init__(self, rig, options):
        self.rig = rig
        self.options = options
        self.api = rig.client()
        self.servers = []
        self.shared = None
        self.count = 0

    def server(self, *more, kubeconfig="dns.kubeconfig", **kwargs):
        options = kubeconfig_options(self.rig.path(kubeconfig), *more)
        return self.server_with(options, **kwargs)

    def server_with(self, options, ready=True, **kwargs):
        server = Server(self.options.server, options, self.options.binary, **kwargs).start()
        self.servers.append(server)
        if ready:
            server.wait_ready()
        return server

    def common(self):
        """One server for all cases that do not disturb it."""
        if self.shared is None or self.shared.process.poll() is not None:
            self.shared = self.server()
        return self.shared

    def namespace(self):
        self.count += 1
        name = "case-%d-%d" % (os.getpid(), self.count)
        self.api.create(kube.namespace(name))
        return name

    def binnacle_only(self):
        if self.options.server != "binnacle":
            raise Skipped("CoreDNS does not promise this")

    def end_case(self):
        for server in [s for s in self.servers if s is not self.shared]:
            self.end(server)
            self.servers.remove(server)
            server.discard()

    @staticmethod
    def end(server):
        check(server.process.poll() is None, lambda: "the server ended by itself (%s):\n%s"
              % (server.process.returncode, server.log()[-2000:]))
        server.stop()
        complaints = server.complaints()
        check(not complaints, complaints)

    def end_shared(self):
        """The last case of a rig: the server that served them all ends cleanly."""
        if self.shared:
            self.end(self.shared)

    def logs(self):
        return "\n".join("--- %s\n%s" % (s.log_path, s.log()[-3000:]) for s in self.servers)

    def close(self):
        for server in self.servers:
            server.discard()


def expect(server, name, rdtype, is_right, what, timeout_s=EVENT_S):
    client = server.client()
    answer, took = client.wait(name, rdtype, is_right, timeout_s)
    client.close()
    check(answer is not None and is_right(answer),
          lambda: "%s: %s %s still answers %s after %.1f s" % (what, name, rdtype, answer, took))
    return took


def expect_stays(server, name, rdtype, is_right, what, seconds):
    client = server.client()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = client.ask(name, rdtype)
        check(answer is not None and is_right(answer), lambda: "%s: %s answers %s" % (what, name, answer))
        time.sleep(0.01)
    client.close()


# -- objects come, change and go ----------------------------------------
