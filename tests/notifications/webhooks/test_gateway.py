"""One POST to a real server on the loopback address, and never to a private address."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from notifications.webhooks import gateway as webhooks_gateway
from notifications.webhooks.core import parse_target
from notifications.webhooks.gateway import NotDelivered
from tests.notifications.factories import Receiver


def _post(url: str, *, seconds: float = 5, private: bool = True, body: str = "{}") -> webhooks_gateway.Reply:
    return webhooks_gateway.post(
        parse_target(url, may_be_private=True), body, {"X-Ours": "yes"}, seconds=seconds, may_be_private=private
    )


def _fake_lookup(monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[list[str]]]) -> list[str]:
    """Replace the system's lookup: each call for a name gets its next answer. Return the names that were looked up."""
    real, lookups = socket.getaddrinfo, []

    def lookup(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        if host not in answers:
            return real(host, port, *args, **more)
        lookups.append(host)
        addresses = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [entry for address in addresses for entry in real(address, port, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return lookups


def test_a_post_arrives_with_its_headers_and_returns_the_response(receiver: Receiver) -> None:
    reply = _post(receiver.url + "?a=b", body='{"ö": 1}')
    (got,) = receiver.received
    assert (reply.status, reply.excerpt, reply.is_taken) == (200, "thanks", True)
    assert (got.path, got.body, got.headers["x-ours"]) == ("/hooks?a=b", '{"ö": 1}', "yes")
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.status, receiver.headers = 302, {"Location": f"http://127.0.0.1:{receiver.port}/secret"}
    assert _post(receiver.url).status == 302
    assert [got.path for got in receiver.received] == ["/hooks"]


def test_only_the_printable_beginning_of_a_long_response_is_read(receiver: Receiver) -> None:
    receiver.answer = "a\x1b[31m\r\nb" + "x" * 5_000_000
    reply = _post(receiver.url)
    assert len(reply.excerpt) <= webhooks_gateway.MOST_OF_ANSWER
    assert reply.excerpt.isprintable()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://127.1:{port}/",
        "http://0:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::ffff:7f00:1]:{port}/",
        "http://LOCALHOST.:{port}/",
    ],
)
def test_loopback_addresses_in_any_spelling_are_refused(url: str, receiver: Receiver) -> None:
    with pytest.raises(NotDelivered, match="isn't a public address"):
        _post(url.format(port=receiver.port), private=False)
    assert not receiver.received


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "169.254.169.254", "192.168.0.1", "fd00:ec2::254", "fe80::1", "64:ff9b::a9fe:a9fe"]
)
def test_a_name_of_a_private_address_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_lookup(monkeypatch, {"inside.example": [[address]]})
    with pytest.raises(NotDelivered, match="isn't a public address"):
        _post("https://inside.example/", private=False)


def test_one_private_address_among_public_ones_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_lookup(monkeypatch, {"mixed.example": [["8.8.8.8", "127.0.0.1"]]})
    with pytest.raises(NotDelivered, match=r"127\.0\.0\.1"):
        _post("https://mixed.example/", private=False)


def test_a_name_is_checked_when_connecting(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_lookup(monkeypatch, {"rebinding.example": [["8.8.8.8"], ["127.0.0.1"]]})
    socket.getaddrinfo("rebinding.example", receiver.port)  # as an earlier check would resolve it
    with pytest.raises(NotDelivered, match="isn't a public address"):
        _post(f"http://rebinding.example:{receiver.port}/", private=False)
    assert not receiver.received


def test_the_checked_address_is_the_one_connected_to(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second lookup of the name would lead to a closed port."""
    lookups = _fake_lookup(monkeypatch, {"rebinding.example": [["127.0.0.1"], ["127.0.0.5"]]})
    assert _post(f"http://rebinding.example:{receiver.port}/").status == 200
    assert lookups == ["rebinding.example"]
    assert receiver.received[0].headers["host"] == f"rebinding.example:{receiver.port}"


def test_a_nonexistent_name_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    with pytest.raises(NotDelivered, match="couldn.t resolve"):
        _post("https://nowhere.example/")


def test_a_closed_port_is_reported() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(NotDelivered, match="didn.t respond"):
            _post(f"http://127.0.0.1:{bound.getsockname()[1]}/")


def test_the_next_address_is_tried_if_the_first_does_not_respond(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake_lookup(monkeypatch, {"two.example": [["127.0.0.5", "127.0.0.1"]]})
    assert _post(f"http://two.example:{receiver.port}/").status == 200


@pytest.mark.parametrize("line", [b"", b"HTTP/1.1 200 OK\r\nX: "])
def test_a_server_that_sends_endlessly_is_left_in_time(line: bytes) -> None:
    """Each byte would restart the socket's own timeout."""
    stopped = Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(line)
                while not stopped.wait(0.02):
                    try:
                        connection.sendall(b"x" if line else b"")
                    except OSError:
                        return

        thread = Thread(target=drip, daemon=True)
        thread.start()
        with pytest.raises(NotDelivered, match="within 0.3 seconds"):
            _post(f"http://127.0.0.1:{server.getsockname()[1]}/", seconds=0.3)
        stopped.set()
        thread.join(5)
        assert not thread.is_alive()


def test_a_server_without_tls_is_no_success(receiver: Receiver) -> None:
    with pytest.raises(NotDelivered):
        _post(f"https://127.0.0.1:{receiver.port}/")
    assert not receiver.received


def test_a_response_that_is_not_http_is_no_success() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        thread = Thread(target=speak, daemon=True)
        thread.start()
        with pytest.raises(NotDelivered):
            _post(f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join(5)


@contextmanager
def _tls_server(tmp_path: Path, name: str) -> Iterator[tuple[int, list[str | None], Path]]:
    """Answer one connection with 200. Yield the port, the requested names (SNI) and the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    both, certificate = tmp_path / "both.pem", tmp_path / "certificate.pem"
    both.write_bytes(key.private_bytes(*form) + pem)
    certificate.write_bytes(pem)
    server_names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    context.sni_callback = lambda _socket, sni, _context: server_names.append(sni)

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:  # it may refuse us
            while not secure.recv(4096).endswith(b"{}"):
                pass
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1], server_names, certificate
        thread.join(5)


def test_tls_uses_the_typed_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_lookup(monkeypatch, {"hooks.example": [["127.0.0.1"]]})
    with _tls_server(tmp_path, "hooks.example") as (port, server_names, certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert _post(f"https://hooks.example:{port}/").excerpt == "ok"
    assert server_names == ["hooks.example"]


def test_an_untrusted_certificate_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_lookup(monkeypatch, {"hooks.example": [["127.0.0.1"]]})
    with _tls_server(tmp_path, "hooks.example") as (port, _, _), pytest.raises(NotDelivered, match="certificate"):
        _post(f"https://hooks.example:{port}/")


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_lookup(monkeypatch, {"hooks.example": [["127.0.0.1"]]})
    with _tls_server(tmp_path, "others.example") as (port, _, certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with pytest.raises(NotDelivered, match="certificate"):
            _post(f"https://hooks.example:{port}/")
