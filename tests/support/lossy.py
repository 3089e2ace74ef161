# SPDX-License-Identifier: MIT
"""A proxy that loses answers: the request arrives and is done, and then the connection is cut."""
import socket
import threading

LINGER_SECONDS = 120


class LossyProxy:
    """Of all answers, every n-th one is swallowed and its connection closed."""

    def __init__(self, url, every):
        host, _, port = url.rpartition("/")[2].rpartition(":")
        self.target, self.every = (host, int(port)), every
        self.lock = threading.Lock()
        self.answers = self.lost = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _loses(self):
        with self.lock:
            self.answers += 1
            if self.every and self.answers % self.every == 0:
                self.lost += 1
                return True
            return False

    def _serve(self, client):
        try:
            server = socket.create_connection(self.target, LINGER_SECONDS)
        except OSError:
            client.close()
            return
        for sock in (client, server):
            sock.settimeout(LINGER_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
        try:
            # An answer begins with its status line; what follows of it goes through.
            while data := server.recv(65536):
                if data.startswith(b"HTTP/1.1 ") and self._loses():
                    break
                client.sendall(data)
        except OSError:
            pass
        for sock in (client, server):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    @staticmethod
    def _forward(client, server):
        try:
            while data := client.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            pass
