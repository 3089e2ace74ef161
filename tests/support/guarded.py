# SPDX-License-Identifier: MIT
"""Servers that ask who it is: with tokens, with TLS, with client certificates."""
import shutil
import signal
import ssl

from certificates import Authority
from client import Client
from harness import FreshServerCase, fresh_folder
from rawsocket import RawSocket
from tokens import Tokens
from waiting import wait_until

RELOADED, KEPT = "read again", "stay in use"


class GuardedCase(FreshServerCase):
    def setUp(self):
        super().setUp()
        self.folder = fresh_folder()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.tokens = Tokens(self.folder)

    def fresh_server(self, *arguments, **options):
        """One that is ended and looked at when the test is over."""
        server = super().fresh_server(*arguments, **options)
        self.addCleanup(lambda: server.stop() if server.program.is_running() else server.program.assert_clean())
        return server

    def guarded_server(self, *arguments, **options):
        if not hasattr(self, "admin"):
            self.admin = self.tokens.create("admin", "root")
        return self.fresh_server("--tokens", self.tokens.path, *arguments, **options)

    def tls_server(self, *arguments, **options):
        """Open to everybody who speaks TLS."""
        self.authority = Authority(self.folder / "pki")
        self.certificate = self.authority.issue("server")
        return self.fresh_server(*self.certificate.flags(), *arguments, **options)

    def context(self, client=None):
        context = ssl.create_default_context(cafile=self.authority.cert)
        if client:
            context.load_cert_chain(client.cert, client.key)
        return context

    def as_(self, server, secret=None, context=None):
        client = Client(server.url, context, secret)
        self.addCleanup(client.close)
        return client

    def raw_to(self, server, context=None, **options):
        sock = RawSocket(server.url, context, **options)
        self.addCleanup(sock.close)
        return sock

    def reload(self, server, expected=RELOADED):
        """SIGHUP, and the word that it was heard."""
        before = server.program.log().count(expected)
        server.program.send_signal(signal.SIGHUP)
        wait_until(lambda: server.program.log().count(expected) > before, what=f"'{expected}' in the log")

    def refusals(self, server, secret=None, context=None):
        return self.as_(server, secret, context).expect(200, "GET", "/stats").json["refused"]
