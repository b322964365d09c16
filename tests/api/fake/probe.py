# SPDX-License-Identifier: Apache-2.0
"""Starts watch_probe and keeps what a store would keep of what it prints."""

import json
import os
import subprocess
import threading
import time

KINDS = ("namespaces", "services", "endpointslices", "pods")


class Probe:
    def __init__(self, program, arguments, environment=None):
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.objects = {kind: {} for kind in KINDS}
        self.marked = {}           # kind -> keys seen since its begin
        self.synced = set()        # kinds with a first end
        self.replaced = {kind: 0 for kind in KINDS}
        self.aborted = {kind: 0 for kind in KINDS}
        self.events = []
        self.wrong = []            # breaches of the sink's contract
        self.stats_lines = {}
        self.stats_seen = 0
        self.closed = False
        self.refused = None
        self.errors = ""
        clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self.process = subprocess.Popen(
            [program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**clean, **(environment or {})})
        self.readers = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=self._read_errors, daemon=True)]
        for reader in self.readers:
            reader.start()

    def _read(self):
        for line in self.process.stdout:
            try:
                told = json.loads(line)
            except ValueError:
                self.wrong.append(f"not JSON: {line!r}")
                continue
            with self.changed:
                self._take(told)
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors += line.decode(errors="replace")

    def _take(self, told):
        call, kind = told["call"], told.get("kind")
        if call == "begin":
            if kind in self.marked:
                self.wrong.append(f"begin of {kind} inside a replace")
            self.marked[kind] = set()
        elif call == "upsert":
            key = (told.get("ns", ""), told["name"])
            self.objects[kind][key] = told
            if kind in self.marked:
                self.marked[kind].add(key)
            elif kind not in self.synced:
                self.wrong.append(f"upsert of {kind} before its first list")
        elif call == "remove":
            key = (told.get("ns", ""), told["name"])
            self.objects[kind].pop(key, None)
            self.marked.get(kind, set()).discard(key)
        elif call == "end":
            if kind not in self.marked:
                self.wrong.append(f"end of {kind} without begin")
            marked = self.marked.pop(kind, set())
            self.objects[kind] = {k: o for k, o in self.objects[kind].items() if k in marked}
            self.synced.add(kind)
            self.replaced[kind] += 1
        elif call == "abort":
            if kind not in self.marked:
                self.wrong.append(f"abort of {kind} without begin")
            self.marked.pop(kind, None)
            self.aborted[kind] += 1
        elif call == "event":
            self.events.append(told)
        elif call == "stats":
            self.stats_lines[kind] = told
            self.stats_seen += 1
        elif call == "closed":
            self.closed = True
        elif call == "refused":
            self.refused = told["detail"]

    # -- looking --

    def wait(self, what, predicate, seconds=10.0):
        """Until predicate(self) holds; AssertionError with what was awaited."""
        end = time.monotonic() + seconds
        with self.changed:
            while not predicate(self):
                left = end - time.monotonic()
                if left <= 0 or self.process.poll() is not None:
                    raise AssertionError(
                        f"waited for: {what}; events {[e['type'] for e in self.events][-8:]}, "
                        f"exit {self.process.poll()} {self.errors[-2000:]}")
                self.changed.wait(min(left, 0.1))

    def wait_synced(self, kinds, seconds=10.0):
        self.wait(f"{kinds} synced", lambda p: set(kinds) <= p.synced, seconds)

    def wait_event(self, kind, count=1, seconds=10.0):
        self.wait(f"event {kind}", lambda p: len(p.told(kind)) >= count, seconds)
        return self.told(kind)[count - 1]

    def told(self, kind):
        return [e for e in self.events if e["type"] == kind]

    def names(self, kind):
        with self.lock:
            return {name for _, name in self.objects[kind]}

    def ips(self, kind, name, ns="default"):
        with self.lock:
            found = self.objects[kind].get((ns, name))
            return found and found["ips"]

    def stats(self, kind="services"):
        with self.changed:
            seen = self.stats_seen
            self.process.stdin.write(b"stats\n")
            self.process.stdin.flush()
        self.wait("stats", lambda p: p.stats_seen > seen and kind in p.stats_lines)
        return self.stats_lines[kind]

    @property
    def sanitized(self):
        """Shadow memory reserves terabytes of addresses."""
        return self._status("VmPeak") > 1 << 30

    def peak_kib(self):
        return self._status("VmHWM")

    def _status(self, name):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            for line in status:
                if line.startswith(name + ":"):
                    return int(line.split()[1])
        raise AssertionError("no " + name)

    # -- the end --

    def quit(self, seconds=5.0):
        """Close the session; everything must have been given back."""
        try:
            self.process.stdin.write(b"quit\n")
            self.process.stdin.flush()
        except OSError:
            pass
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the session does not close") from None
        for reader in self.readers:
            reader.join(5)
        assert code == 0, f"exit code {code}: {self.errors[-3000:]}"
        assert self.closed, "no close callback"
        assert not self.wrong, f"sink contract: {self.wrong[:3]}"

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except OSError:
                pass
