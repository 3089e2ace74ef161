# SPDX-License-Identifier: MIT
"""An authority of our own, and certificates by it, made with the openssl command into a folder of the test's."""
import pathlib
import subprocess


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"openssl {' '.join(map(str, arguments))}:\n{done.stderr}"
    return done.stdout


def new_key(path, kind="ec"):
    curve = ["-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["-pkeyopt", "rsa_keygen_bits:2048"]
    openssl("genpkey", "-algorithm", kind.upper(), *curve, "-out", path)
    return path


class Certificate:
    """Its PEM files: the certificate and its key."""

    def __init__(self, cert, key):
        self.cert, self.key = cert, key

    def flags(self):
        return ["--tls-cert", self.cert, "--tls-key", self.key]


class Authority:
    def __init__(self, folder, name="ca"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cert, self.key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        new_key(self.key)
        openssl("req", "-x509", "-new", "-key", self.key, "-days", "2", "-subj", f"/CN={name}", "-out", self.cert,
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, file=None, start=None, end=None, kind="ec", subject=None, days=2, extensions=""):
        """A certificate for this machine and for clients alike; start and end as openssl writes them (YYYYMMDDHHMMSSZ)."""
        stem = self.folder / (file or name)
        key, request, cert = new_key(f"{stem}.key", kind), f"{stem}.csr", f"{stem}.pem"
        openssl("req", "-new", "-key", key, "-subj", subject or f"/CN={name}", "-out", request)
        (self.folder / "ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n"
                                         "extendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n" + extensions)
        if start or end:
            self._issue_dated(request, cert, start or "20200101000000Z", end or "20491231235959Z")
        else:
            openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", str(days),
                    "-extfile", self.folder / "ext", "-out", cert)
        return Certificate(pathlib.Path(cert), pathlib.Path(key))

    def _issue_dated(self, request, cert, start, end):
        """Only openssl ca takes a beginning and an end."""
        (self.folder / "index").write_text("")
        (self.folder / "serial").write_text("1000\n")
        (self.folder / "ca.cnf").write_text(f"""[ca]
default_ca=d
[d]
database={self.folder}/index
serial={self.folder}/serial
new_certs_dir={self.folder}
default_md=sha256
policy=p
[p]
commonName=supplied
""")
        openssl("ca", "-batch", "-notext", "-config", self.folder / "ca.cnf", "-cert", self.cert, "-keyfile", self.key,
                "-extfile", self.folder / "ext", "-startdate", start, "-enddate", end, "-in", request, "-out", cert)
