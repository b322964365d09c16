# SPDX-License-Identifier: Apache-2.0
"""A fake Kubernetes API server for faults that a real one cannot be asked for.

It speaks HTTP/1.1 on a raw socket, one thread per connection, so that a test
decides over every byte: where a write is split, where the connection ends, what
an answer says. Left alone it is a small but honest API server: LIST with pages,
WATCH with bookmarks, WatchList, discovery, tokens, 403, 404, 410; in protobuf for who
asks for it, else in JSON.

    server = FakeServer()
    server.start()
    server.put(SERVICES, service("default", "web", "10.0.0.1"))
    server.on("watch", SERVICES, lambda request, conn: conn.reset(), times=1)

A fault is a function (request, conn) -> None or False; False lets the ordinary
answer follow. All of the module's state belongs to one FakeServer.
"""

import gzip
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # tests/bench loads this file by its path
import protobuf  # noqa: E402

NAMESPACES = "/api/v1/namespaces"
SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
SLICES_BETA = "/apis/discovery.k8s.io/v1beta1/endpointslices"
ENDPOINTS = "/api/v1/endpoints"
PODS = "/api/v1/pods"

KIND_OF = {
    NAMESPACES: ("Namespace", "v1"),
    SERVICES: ("Service", "v1"),
    SLICES: ("EndpointSlice", "discovery.k8s.io/v1"),
    SLICES_BETA: ("EndpointSlice", "discovery.k8s.io/v1beta1"),
    ENDPOINTS: ("Endpoints", "v1"),
    PODS: ("Pod", "v1"),
}
JSON = "application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
PROTOBUF_WATCH = PROTOBUF + ";stream=watch"
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


# ---- objects ----

def namespace(name):
    return {"metadata": {"name": name}, "status": {"phase": "Active"}}


def service(ns, name, ip, labels=None):
    return {
        "metadata": {"name": name, "namespace": ns, "labels": labels or {}},
        "spec": {"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip],
                 "ipFamilies": ["IPv4"], "ports": [{"port": 80, "protocol": "TCP"}]},
    }


def endpoint_slice(ns, name, of, addresses):
    return {
        "metadata": {"name": name, "namespace": ns,
                     "labels": {"kubernetes.io/service-name": of}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses],
        "ports": [{"name": "", "port": 80, "protocol": "TCP"}],
    }


def endpoints(ns, name, addresses):
    return {
        "metadata": {"name": name, "namespace": ns},
        "subsets": [{"addresses": [{"ip": a} for a in addresses],
                     "ports": [{"port": 80, "protocol": "TCP"}]}],
    }


def status_object(code, reason, message):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code}


class Gone(Exception):
    """The client, or the test, ended the connection."""


class Request:
    def __init__(self, line, headers):
        self.time = time.monotonic()
        self.method, target, _ = line.split(" ", 2)
        parts = urllib.parse.urlsplit(target)
        self.path = parts.path
        self.query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        self.headers = headers

    @property
    def purpose(self):
        if self.path not in KIND_OF:
            return "other"
        if self.query.get("watch") not in ("true", "1"):
            return "page" if self.query.get("continue") else "list"
        return "watchlist" if self.query.get("sendInitialEvents") == "true" else "watch"

    @property
    def protobuf(self):
        """It is asked for first, and there is a table for what is asked for."""
        first = self.headers.get("accept", "").split(",")[0].split(";")[0].strip()
        return first == PROTOBUF and self.path in KIND_OF and self.path != SLICES_BETA


class Conn:
    """One connection; the answer's bytes go through here."""

    def __init__(self, server, sock):
        self.server = server
        self.sock = sock
        self.split = 0         # bytes per send; 0: as it comes
        self.pause = 0.0       # seconds between two sends
        self.corked = False    # the pieces leave together (each a record of its own, over TLS)
        self.sent_at = 0.0     # when the last of them had left
        self.protobuf = False  # the request is to be answered in it
        self.framed = False    # the watch that was begun is in it

    def raw(self, data):
        try:
            if not self.split:
                self.sock.sendall(data)
                return
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, self.corked)
            for i in range(0, len(data), self.split):
                self.sock.sendall(data[i:i + self.split])
                if self.pause:
                    self.server.wait(self.pause)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, False)
            self.sent_at = time.monotonic()
        except (OSError, ssl.SSLError) as error:
            raise Gone() from error

    def answer(self, code, body, content_type=JSON, headers=()):
        if not isinstance(body, bytes):
            body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        head = [f"HTTP/1.1 {code} X", f"Content-Type: {content_type}",
                f"Content-Length: {len(body)}", *headers]
        self.raw("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    def status(self, code, reason, message, headers=()):
        self.object(code, status_object(code, reason, message), headers)

    def object(self, code, obj, headers=(), zipped=False):
        """A list or a Status, in what the request asked for. zipped: if it is large."""
        body = protobuf.body(obj) if self.protobuf else json.dumps(obj).encode()
        if zipped and len(body) > 128 * 1024:
            body, headers = gzip.compress(body, 1), ("Content-Encoding: gzip", *headers)
        self.answer(code, body, PROTOBUF if self.protobuf else JSON, headers)

    def begin(self, code=200, content_type=JSON, headers=()):
        self.framed = content_type.startswith(PROTOBUF)
        head = [f"HTTP/1.1 {code} X", f"Content-Type: {content_type}",
                "Transfer-Encoding: chunked", *headers]
        self.raw("\r\n".join(head).encode() + b"\r\n\r\n")

    def chunk(self, data):
        if not isinstance(data, bytes):
            data = data.encode() if isinstance(data, str) else json.dumps(data).encode()
        self.raw(b"%x\r\n" % len(data) + data + b"\r\n")

    def event(self, kind, obj):
        """In what the watch was begun in."""
        self.chunk(protobuf.event(kind, obj) if self.framed else json.dumps({"type": kind, "object": obj}) + "\n")

    def end(self):
        self.raw(b"0\r\n\r\n")

    def close(self):
        """FIN, wherever the answer stands."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        raise Gone()

    def reset(self):
        self.abort()
        raise Gone()

    def abort(self):
        # detach() would leave TLS out; SO_LINGER 0 turns the close into a RST.
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        try:
            self.sock.close()
        except OSError:
            pass

    def stall(self, seconds=3600.0):
        """Say nothing more, until the client goes or the server stops."""
        self.wait_for_client(seconds)
        raise Gone()

    def wait_for_client(self, seconds):
        """True if the client has closed (or sent something) within that time."""
        end = time.monotonic() + seconds
        self.sock.settimeout(0.05)
        while time.monotonic() < end and not self.server.stopping.is_set():
            try:
                if not self.sock.recv(1):
                    return True
            except (TimeoutError, ssl.SSLWantReadError):
                continue
            except OSError:
                return True
        self.sock.settimeout(None)
        return False


class FakeServer:
    def __init__(self, tls=None, client_ca=None):
        self.tls = tls                # (certificate file, key file)
        self.client_ca = client_ca    # clients must show a certificate of this CA
        self.port = 0
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.stopping = threading.Event()
        self.version = 100
        self.oldest = 0               # a watch from before that is answered 410
        self.objects = {path: {} for path in KIND_OF}
        self.events = {path: [] for path in KIND_OF}  # (version, type, object)
        self.missing = {SLICES_BETA, ENDPOINTS, PODS}  # 404
        self.forbidden = set()        # 403
        self.token = None             # 401 for any other
        self.watchlist = False
        self.protobuf = True          # False: it speaks JSON only
        self.bookmark_every = 1.0
        self.page_always = False      # honour limit with resourceVersion=0 as well
        self.requests = []
        self.connections = 0
        self.faults = []
        self.live = set()
        self.listener = None

    # -- life --

    def start(self):
        self.stopping = threading.Event()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self.listener = listener
        threading.Thread(target=self._accept, args=(listener, self.stopping), daemon=True).start()
        return self

    def stop(self, reset=True):
        """The port is closed and every connection ended: an API server that died."""
        self.stopping.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        with self.changed:
            live = list(self.live)
            self.changed.notify_all()
        for conn in live:
            if reset:
                conn.abort()
            else:
                try:
                    conn.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def wait(self, seconds):
        if self.stopping.wait(seconds):
            raise Gone()

    # -- what it keeps --

    def put(self, path, obj):
        """Create or change; the watchers see it."""
        with self.changed:
            self.version += 1
            obj = json.loads(json.dumps(obj))
            obj["metadata"]["resourceVersion"] = str(self.version)
            key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
            kind = "MODIFIED" if key in self.objects[path] else "ADDED"
            self.objects[path][key] = obj
            self.events[path].append((self.version, kind, obj))
            self.changed.notify_all()

    def delete(self, path, ns, name, quietly=False):
        """quietly: no watcher ever learns of it, as if it happened in an outage."""
        with self.changed:
            self.version += 1
            obj = dict(self.objects[path].pop((ns, name)))
            obj["metadata"] = dict(obj["metadata"], resourceVersion=str(self.version))
            if not quietly:
                self.events[path].append((self.version, "DELETED", obj))
            self.changed.notify_all()

    def compact(self):
        """Forget history: watches from an earlier version get 410."""
        with self.changed:
            self.version += 1
            self.oldest = self.version
            for path in self.events:
                self.events[path] = []

    # -- faults --

    def on(self, purpose, path, fault, times=None):
        """purpose: list, page, watch, watchlist or any; path None: any."""
        entry = {"purpose": purpose, "path": path, "fault": fault, "times": times}
        with self.lock:
            self.faults.append(entry)
        return entry

    def off(self, entry=None):
        with self.lock:
            self.faults = [f for f in self.faults if entry is not None and f is not entry]

    def _fault(self, request):
        with self.lock:
            for entry in self.faults:
                if entry["purpose"] not in ("any", request.purpose):
                    continue
                if entry["path"] not in (None, request.path):
                    continue
                if entry["times"] is not None:
                    if entry["times"] == 0:
                        continue
                    entry["times"] -= 1
                return entry["fault"]
        return None

    # -- what was asked --

    def count(self, purpose, path=None):
        with self.lock:
            return sum(1 for r in self.requests
                       if r.purpose == purpose and path in (None, r.path))

    def asked(self, purpose, path=None):
        with self.lock:
            return [r for r in self.requests
                    if r.purpose == purpose and path in (None, r.path)]

    # -- connections --

    def _accept(self, listener, stopping):
        context = None
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            if self.client_ca:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(self.client_ca)
        while not stopping.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections += 1
            threading.Thread(target=self._serve, args=(sock, context), daemon=True).start()

    def _serve(self, sock, context):
        conn = Conn(self, sock)
        with self.lock:
            self.live.add(conn)
        try:
            if context:
                conn.sock = context.wrap_socket(sock, server_side=True,
                                                do_handshake_on_connect=False)
                self._handshake(conn)
            while True:
                request = self._read(conn)
                with self.lock:
                    self.requests.append(request)
                    conn.split, conn.pause, conn.corked = 0, 0.0, False
                    conn.protobuf = self.protobuf and request.protobuf
                fault = self._fault(request)
                if fault and fault(request, conn) is not False:
                    continue
                self._answer(request, conn)
        except (Gone, OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.live.discard(conn)
            try:
                conn.sock.close()
            except OSError:
                pass

    @staticmethod
    def _handshake(conn):
        try:
            conn.sock.do_handshake()
        except ssl.SSLError as error:
            # As a well-behaved server: the alert must not be overtaken by a RST, so
            # what the client still sends is read before the close.
            socket.socket.shutdown(conn.sock, socket.SHUT_WR)
            while os.read(conn.sock.fileno(), 4096):
                pass
            raise Gone() from error

    @staticmethod
    def _read(conn):
        data = b""
        conn.sock.settimeout(None)
        while b"\r\n\r\n" not in data:
            more = conn.sock.recv(4096)
            if not more:
                raise Gone()
            data += more
            if data[0] == 0x16:  # a TLS handshake for a plain server: Go answers so
                conn.raw(b"HTTP/1.0 400 Bad Request\r\n\r\n"
                         b"Client sent an HTTP request to an HTTPS server.\n")
                conn.close()
        lines = data.split(b"\r\n\r\n", 1)[0].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return Request(lines[0], headers)

    # -- ordinary answers --

    def _answer(self, request, conn):
        with self.lock:
            refused = self.token is not None and \
                request.headers.get("authorization") != "Bearer " + self.token
            forbidden = request.path in self.forbidden
            missing = request.path in self.missing
        if refused:
            conn.status(401, "Unauthorized", "Unauthorized")
        elif request.path not in KIND_OF:
            self._discover(request, conn)
        elif missing:
            conn.answer(404, "404 page not found\n", "text/plain; charset=utf-8")
        elif forbidden:
            verb = "watch" if "watch" in request.purpose else "list"
            resource = request.path.rsplit("/", 1)[1]
            conn.status(403, "Forbidden", f'{resource} is forbidden: User "dns" cannot {verb} '
                        f'resource "{resource}" at the cluster scope')
        elif request.purpose in ("list", "page"):
            self._list(request, conn)
        else:
            self._watch(request, conn)

    def _discover(self, request, conn):
        path = request.path.rstrip("/")
        if path == "/version":
            conn.answer(200, {"major": "1", "minor": "35", "gitVersion": "v1.35.4"})
            return
        served = [p for p in KIND_OF if p.rsplit("/", 1)[0] == path and p not in self.missing]
        if not served:
            conn.answer(404, "404 page not found\n", "text/plain; charset=utf-8")
            return
        conn.answer(200, {
            "kind": "APIResourceList", "apiVersion": "v1",
            "groupVersion": path.removeprefix("/apis/").removeprefix("/api/"),
            "resources": [{"name": p.rsplit("/", 1)[1], "kind": KIND_OF[p][0],
                           "verbs": ["list", "watch"]} for p in served]})

    def list_body(self, path, items=None, version=None, token=None):
        kind, api_version = KIND_OF[path]
        with self.lock:
            if items is None:
                items = list(self.objects[path].values())
            meta = {"resourceVersion": str(version or self.version)}
        if token:
            meta["continue"] = token
        return {"kind": kind + "List", "apiVersion": api_version, "metadata": meta,
                "items": items}

    def _list(self, request, conn):
        limit = int(request.query.get("limit", "0"))
        start = 0
        with self.lock:
            items = [self.objects[request.path][k] for k in sorted(self.objects[request.path])]
            version = self.version
        if request.purpose == "page":
            text_version, text_start, _ = request.query["continue"].split(":", 2)
            version, start = int(text_version), int(text_start)
            if version < self.oldest:
                conn.status(410, "Expired", "The provided continue parameter is too old")
                return
        elif request.query.get("resourceVersion") == "0" and not self.page_always:
            limit = 0  # served from the cache, as the real one does
        token = None
        if limit and start + limit < len(items):
            token = f"{version}:{start + limit}:+/=&?%"  # to be escaped
        page = items[start:start + limit] if limit else items
        conn.object(200, self.list_body(request.path, page, version, token),
                    zipped="gzip" in request.headers.get("accept-encoding", ""))

    def bookmark(self, path, end=False, version=None):
        kind, api_version = KIND_OF[path]
        meta = {"resourceVersion": str(version or self.version), "creationTimestamp": None}
        if end:
            meta["annotations"] = {INITIAL_EVENTS_END: "true"}
        return {"kind": kind, "apiVersion": api_version, "metadata": meta}

    def full(self, path, obj):
        kind, api_version = KIND_OF[path]
        return dict(obj, kind=kind, apiVersion=api_version)

    def _watch(self, request, conn):
        path = request.path
        if request.purpose == "watchlist" and not self.watchlist:
            conn.status(422, "Invalid", "ListOptions.meta.k8s.io \"\" is invalid: "
                        "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch "
                        "unless the WatchList feature gate is enabled")
            return
        since = int(request.query.get("resourceVersion") or 0)
        conn.begin(content_type=PROTOBUF_WATCH if conn.protobuf else JSON)
        if request.purpose == "watchlist":
            with self.lock:
                items, since = list(self.objects[path].values()), self.version
            for obj in items:
                conn.event("ADDED", self.full(path, obj))
            conn.event("BOOKMARK", self.bookmark(path, end=True, version=since))
        elif since < self.oldest:
            conn.event("ERROR", status_object(410, "Expired", f"too old resource version: {since} "
                                              f"({self.oldest})"))
            conn.end()
            return
        self.follow(request, conn, since)

    def follow(self, request, conn, since):
        """Live events from that version on, until the time is up."""
        end = time.monotonic() + int(request.query.get("timeoutSeconds") or 1800)
        marked = time.monotonic()
        while time.monotonic() < end:
            with self.changed:
                due = [e for e in self.events[request.path] if e[0] > since]
                if not due:
                    self.changed.wait(0.05)
                    due = [e for e in self.events[request.path] if e[0] > since]
                version = self.version
            if self.stopping.is_set():
                raise Gone()
            for since, kind, obj in due:
                conn.event(kind, self.full(request.path, obj))
            if time.monotonic() - marked > self.bookmark_every:
                conn.event("BOOKMARK", self.bookmark(request.path, version=version))
                marked = time.monotonic()
        conn.end()
