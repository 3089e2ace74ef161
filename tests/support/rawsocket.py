# SPDX-License-Identifier: MIT
"""Bytes on a socket: for requests that no proper client sends, and for clients that hang up."""
import socket
import urllib.parse

from client import Reply, check_form


class RawSocket:
    def __init__(self, url, context=None, timeout=60):
        parts = urllib.parse.urlsplit(url)
        self.authority = parts.netloc
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname=parts.hostname)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def request(self, line, *headers, body=b"", host=True):
        """A request line and header lines as they are given; Host is added unless host is False."""
        lines = [line, *([f"Host: {self.authority}"] if host else []), *headers]
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def _fill(self):
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def read_reply(self, method="GET"):
        """The next answer, checked for its form; None where the server closed without one."""
        while b"\r\n\r\n" not in self.buffer:
            try:
                if not self._fill():
                    assert self.buffer == b"", f"half an answer: {self.buffer!r}"
                    return None
            except ConnectionResetError:
                return None
        head, _, rest = self.buffer.partition(b"\r\n\r\n")
        status_line, *header_lines = head.decode("latin-1").split("\r\n")
        assert status_line.startswith("HTTP/1.1 "), status_line
        headers = {}
        for line in header_lines:
            name, _, value = line.partition(":")
            headers[name.title()] = value.strip()
        status = int(status_line.split()[1])
        length = int(headers.get("Content-Length", "0"))
        if method == "HEAD" or status in (204, 304):
            length = 0
        while len(rest) < length:
            data = self.socket.recv(65536)
            assert data, "the body was cut"
            rest += data
        self.buffer = rest[length:]
        return check_form(Reply(status, headers, rest[:length]), method)

    def is_closed_by_peer(self):
        """Waits until the server closes; False where it sends something first."""
        try:
            return self.buffer == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
