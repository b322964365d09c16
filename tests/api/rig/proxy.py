# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy before the API server that can be cut: what a client sees when the
network goes while the API server stays and its objects change."""

import selectors
import socket
import threading


class Proxy:
    """Runs in a thread of its own; cut() and mend() may be called from any other."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.selector = selectors.DefaultSelector()
        self.peers = {}
        self.connections = 0
        self.waker, waked = socket.socketpair()
        self.selector.register(waked, selectors.EVENT_READ, "wake")
        self.listener = self.listen(0)
        self.port = self.listener.getsockname()[1]
        self.stopping = False
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def listen(self, port):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        self.selector.register(listener, selectors.EVENT_READ, "accept")
        return listener

    def command(self, what):
        self.done.clear()
        self.waker.send(what)
        self.done.wait(5)

    def cut(self):
        """Every connection is reset and new ones are refused."""
        self.command(b"c")

    def mend(self):
        self.command(b"m")

    def close(self):
        self.command(b"q")
        self.thread.join(5)

    def drop(self, one):
        other = self.peers.pop(one, None)
        for s in (one, other):
            if s is None:
                continue
            self.peers.pop(s, None)
            self.selector.unregister(s)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()

    def obey(self, what):
        if what in (b"c", b"q"):
            for s in list(self.peers):
                if s in self.peers:
                    self.drop(s)
            if self.listener:
                self.selector.unregister(self.listener)
                self.listener.close()
                self.listener = None
        if what == b"m" and self.listener is None:
            self.listener = self.listen(self.port)
        self.stopping = what == b"q"
        self.done.set()

    def accept(self):
        near = self.listener.accept()[0]
        try:
            far = socket.create_connection(("127.0.0.1", self.target_port), timeout=2)
        except OSError:
            near.close()
            return
        self.connections += 1
        self.peers[near], self.peers[far] = far, near
        for s in (near, far):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(s, selectors.EVENT_READ, "data")

    def pass_on(self, s):
        try:
            data = s.recv(1 << 16)
            if data:
                self.peers[s].sendall(data)
                return
        except OSError:
            pass
        self.drop(s)

    def run(self):
        while not self.stopping:
            for key, _ in self.selector.select():
                if key.data == "wake":
                    self.obey(key.fileobj.recv(1))
                elif key.data == "accept" and self.listener is key.fileobj:
                    self.accept()
                elif key.data == "data" and key.fileobj in self.peers:
                    self.pass_on(key.fileobj)
