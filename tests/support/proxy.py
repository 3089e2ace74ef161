# SPDX-License-Identifier: MIT
"""A small TCP proxy that a test commands: per direction it lets pass, delays, or swallows; it cuts what is open, and refuses or
ignores what is new.

    proxy = Proxy("127.0.0.1", port)     proxy.port is where clients connect
    proxy.up.delay = 0.05                from client to server, seconds; proxy.down is the other way
    proxy.down.hold = True               nothing more gets through; what came meanwhile is passed on when it is False again
    proxy.cut()                          closes every connection with a reset
    proxy.abandon()                      the same towards the clients; what they have sent still arrives, as the rules let it
    proxy.silent = True                  new connections are accepted, and nothing is ever said
    proxy.deaf = True                    new connections are closed at once

One thread serves them all; every change takes effect on the connections that are there, too.
"""
import collections
import contextlib
import heapq
import selectors
import socket
import struct
import threading
import time

CHUNK_BYTES = 65536
WAITING_BYTES_MAX = 1 << 20  # per direction and connection: beyond it the sender is left waiting


class Direction:
    def __init__(self):
        self.delay, self.hold = 0.0, False


class _Flow:
    """One direction of one connection: what was read and is not written yet, each piece with the time it may go."""

    def __init__(self, rule):
        self.rule, self.pieces, self.bytes, self.full, self.told = rule, collections.deque(), 0, False, False


class _Pair:
    def __init__(self, client, server, up, down):
        self.client, self.server, self.abandoned = client, server, False
        self.flows = {client: _Flow(up), server: _Flow(down)}  # by who sends
        self.other = {client: server, server: client}


class Proxy:
    def __init__(self, host, port, listen_host="127.0.0.1"):
        self.target = (host, port)
        self.up, self.down = Direction(), Direction()
        self.silent = self.deaf = False
        self.accepted = 0
        self._lock = threading.Lock()
        self._pairs, self._mute, self._wake_at = set(), set(), []
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server((listen_host, 0), backlog=256)
        self._listener.setblocking(False)
        self.host, self.port = self._listener.getsockname()[:2]
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._closing = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    # Commands

    def cut(self):
        """Everything that is open is reset, on both sides. Returns how many there were."""
        with self._lock:
            pairs, mute = list(self._pairs), list(self._mute)
            for pair in pairs:
                self._drop(pair)
            for sock in mute:
                self._forget(sock)
            self._mute.clear()
        return len(pairs) + len(mute)

    def abandon(self):
        """The clients' side of everything that is open is reset; the server knows nothing of it yet."""
        with self._lock:
            for pair in list(self._pairs):
                self._forget(pair.client)
                pair.flows = {pair.client: pair.flows[pair.client]}
                pair.flows[pair.client].full = False
                pair.flows[pair.client].pieces.append((time.monotonic(), b""))
                pair.abandoned = True
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(pair.server)

    def open_count(self):
        with self._lock:
            return len(self._pairs)

    def waiting_bytes(self):
        """What has come and is not passed on yet."""
        with self._lock:
            return sum(flow.bytes for pair in self._pairs for flow in pair.flows.values())

    def pass_all(self):
        self.up.delay = self.down.delay = 0.0
        self.up.hold = self.down.hold = self.silent = self.deaf = False

    def close(self):
        self._closing = True
        self._thread.join()
        self.cut()
        self._selector.close()
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # The thread

    def _serve(self):
        while not self._closing:
            events = self._selector.select(0.01)
            with self._lock:
                for key, _ in events:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.data in self._pairs:
                        self._read(key.data, key.fileobj)
                now = time.monotonic()
                while self._wake_at and self._wake_at[0][0] <= now:
                    heapq.heappop(self._wake_at)
                for pair in list(self._pairs):
                    self._write_due(pair, now)

    def _accept(self):
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            self.accepted += 1
            if self.deaf:
                self._reset(client)
            elif self.silent:
                self._mute.add(client)
            else:
                self._connect(client)

    def _connect(self, client):
        try:
            server = socket.create_connection(self.target, timeout=5)
        except OSError:
            self._reset(client)
            return
        pair = _Pair(client, server, self.up, self.down)
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ, pair)
        self._pairs.add(pair)

    def _read(self, pair, sock):
        flow = pair.flows[sock]
        if flow.bytes > WAITING_BYTES_MAX:
            self._selector.unregister(sock)
            flow.full = True
            return
        try:
            data = sock.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._drop(pair)
            return
        flow.pieces.append((time.monotonic() + flow.rule.delay, data))
        flow.bytes += len(data)
        if not data:
            self._selector.unregister(sock)
        self._write_due(pair, time.monotonic())

    def _write_due(self, pair, now):
        for sender, flow in pair.flows.items():
            receiver = pair.other[sender]
            while flow.pieces and not flow.rule.hold and flow.pieces[0][0] <= now:
                due, data = flow.pieces[0]
                try:
                    sent = receiver.send(data) if data else receiver.shutdown(socket.SHUT_WR) or 0
                except BlockingIOError:
                    break
                except OSError:
                    self._drop(pair)
                    return
                flow.bytes -= sent
                flow.pieces.popleft()
                if sent < len(data):
                    flow.pieces.appendleft((due, data[sent:]))
                    break
                flow.told = flow.told or not data
            if flow.full and not pair.abandoned and flow.bytes <= WAITING_BYTES_MAX:
                self._selector.register(sender, selectors.EVENT_READ, pair)
                flow.full = False
        if all(flow.told for flow in pair.flows.values()):
            self._drop(pair)

    def _drop(self, pair):
        self._pairs.discard(pair)
        for sock in (pair.client, pair.server):
            self._forget(sock)

    def _forget(self, sock):
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)
        self._reset(sock)

    @staticmethod
    def _reset(sock):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
