"""The web host of the sandbox's customers: serves MTA-STS policies over HTTPS, with certificates of its own CA.

Each name gets its certificate on request. A site's fault says how it misbehaves: see `values.WEB_FAULTS`.
"""

import ssl
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR, socket
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.aws.state import WORLD

AUTHORITY = "authority.pem"  # in the sandbox's state directory
POLICY_PATH = "/.well-known/mta-sts.txt"
_SILENCE = 30.0  # seconds


@dataclass(frozen=True)
class Site:
    """A domain's policy. `fault`: one of `values.WEB_FAULTS`, or ""."""

    policy: str
    fault: str = ""


class _Authority:
    """Signs a certificate for each name, valid as long as the process lives."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sandbox authority")])
        own = self._built(self._name, self._key, datetime.now(UTC) + timedelta(days=3650))
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.path = directory / AUTHORITY
        self.path.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        self._contexts: dict[tuple[str, bool], ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def context(self, name: str, *, expired: bool) -> ssl.SSLContext:
        with self._lock:
            if (name, expired) not in self._contexts:
                self._contexts[name, expired] = self._made(name, expired=expired)
            return self._contexts[name, expired]

    def _made(self, name: str, *, expired: bool) -> ssl.SSLContext:
        key, until = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC) + timedelta(days=-1 if expired else 365)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        built = self._built(subject, key, until)
        built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        signed = built.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(dir=self._directory) as file:
            file.write(key.private_bytes(*form) + signed)
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def _built(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number())
        return made.not_valid_before(until - timedelta(days=3660)).not_valid_after(until)


class _Handler(BaseHTTPRequestHandler):
    timeout = 10
    server: "_Server"

    def do_GET(self) -> None:
        name = self.headers.get("Host", "").partition(":")[0].lower()
        site = site_of(name)
        if site is None or site.fault == "not_found" or self.path != POLICY_PATH:
            self._answer(404, "text/plain", "Not found\n")
        elif site.fault == "error":
            self._answer(503, "text/plain", "Try again later\n")
        elif site.fault == "redirect":
            self._answer(301, "text/plain", "", location=f"https://www.{name}{POLICY_PATH}")
        elif site.fault == "silent":
            self.server.over.wait(_SILENCE)
        else:
            kind = "text/html" if site.fault == "html" else "text/plain; charset=utf-8"
            self._answer(200, kind, site.policy, is_cut=site.fault == "cut")

    def _answer(self, status: int, kind: str, text: str, *, location: str = "", is_cut: bool = False) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if is_cut else body)

    def log_message(self, *_: Any) -> None:
        """Don't log to the terminal."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, authority: _Authority) -> None:
        super().__init__((host, port), _Handler)
        self.over = threading.Event()
        self._authority = authority
        self._plain = authority.context("nobody.invalid", expired=False)
        self._plain.sni_callback = self._choose

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Handshake in the connection's own thread, so a silent client blocks nobody."""
        request.settimeout(10)
        try:
            with self._plain.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)
        except OSError:
            return  # a client that doesn't trust the certificate ends the handshake

    def shutdown_request(self, request: Any) -> None:
        """The TLS socket replaced the plain one, which is already closed."""
        if isinstance(request, socket) and request.fileno() != -1:
            request.shutdown(SHUT_RDWR)
        self.close_request(request)

    def _choose(self, secure: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        site = site_of(name or "")
        shown = "other.invalid" if site and site.fault == "certificate" else (name or "nobody.invalid").lower()
        secure.context = self._authority.context(shown, expired=bool(site and site.fault == "expired"))


def site_of(host: str) -> Site | None:
    """Return the site of the policy's host, "mta-sts." and the domain."""
    found: Site | None = WORLD.sites.get(host.lower().removeprefix("mta-sts."))
    return found if host.lower().startswith("mta-sts.") else None


class WebHost:
    """Serves in its own thread from `start` to `stop`."""

    def __init__(self, host: str, port: int, directory: Path) -> None:
        """Raises OSError if the port is in use."""
        authority = _Authority(directory)
        self.authority = authority.path
        self._server = _Server(host, port, authority)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="web", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
