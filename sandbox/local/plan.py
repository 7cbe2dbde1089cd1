"""Decides from the environment what `make run` starts, before anything is started."""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from inbound_admin.lib.errors import Problem
from sandbox.local import ports

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # named, so that they can be told apart  # nosec B104
_OFF = ("0", "false", "no", "off")
_AWS_PORT, _DNS_PORT, _WEB_PORT, _SMTP_PORT = 4599, 5399, 4543, 2525
WEB_THREADS = 16  # of each web process: half may wait for the network, see lib/slow_work.py
CONNECT_PROVIDER = "panel.example"  # whose zone in the sandbox has the public key of Domain Connect
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox"}
# Empty, as a line of .env may leave them, they are not set: else the sandbox would be passed over for the real ones.
_EMPTY_IS_UNSET = (
    "ALLOWED_HOSTS",
    "AWS_ENDPOINT_URL",
    "DATABASE_URL",
    "DNS_RESOLVERS",
    "HTTPS",
    "PROBE_EMAIL_URL",
    "SITE_URL",
    "WEB_THREADS",
)
# Somebody's real ones never reach the sandbox, and a profile that is missing here stops boto3.
_REAL = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")


@dataclass(frozen=True)
class Plan:
    """Where the web server listens, the environment of the children, and the ports of the sandbox, if it is started."""

    host: str
    port: int
    sandbox: bool
    sandbox_ports: tuple[int, int, int, int] | None  # of AWS, DNS, the web host and SMTP
    environment: Mapping[str, str]

    @property
    def bind(self) -> str:
        """Return the address in gunicorn's form."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def threads(self) -> str:
        """Return the web process's number of threads in gunicorn's form."""
        return self.environment.get("WEB_THREADS") or str(WEB_THREADS)

    @property
    def address(self) -> str:
        """Return the URL that a person opens."""
        return _address(self.host, self.port)


def _address(host: str, port: int) -> str:
    """Return the URL to open: a wildcard host is replaced by a real one."""
    host = _EVERYWHERE.get(host, host)
    return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{port}/"


def made_from(environment: Mapping[str, str], local: Path) -> Plan:
    """Return the plan. Raises Problem, which names the setting, if the web server's port is taken or not a number."""
    host, port = environment.get("HOST") or "127.0.0.1", _port(environment)
    if not ports.is_free(host, port):
        raise Problem(
            f"Port {port} on {host} is in use, or the address isn't local. "
            f"Stop the process that uses it, or choose another port: PORT={port + 1} make run"
        )
    sandbox = is_sandbox(environment)
    sandbox_ports = _sandbox_ports(environment) if sandbox else None
    variables = program_environment(environment, local) | {"HOST": host, "PORT": str(port)}
    variables.setdefault("SITE_URL", _address(host, port))  # mails carry links
    if sandbox_ports:
        variables.setdefault("AWS_ENDPOINT_URL", f"http://127.0.0.1:{sandbox_ports[0]}")
        variables.setdefault("DNS_RESOLVERS", f"127.0.0.1:{sandbox_ports[1]}")
        variables.setdefault("PROBE_EMAIL_URL", f"smtp://127.0.0.1:{sandbox_ports[3]}")
        variables.setdefault("MTA_STS_PORT", str(sandbox_ports[2]))
    return Plan(host, port, sandbox, sandbox_ports, variables)


def program_environment(environment: Mapping[str, str], local: Path) -> dict[str, str]:
    """Return the environment of each of our programs, without addresses. Raises Problem, which names the setting."""
    sandbox = is_sandbox(environment)
    unset = {name for name in _EMPTY_IS_UNSET if not environment.get(name, "").strip()}
    dropped = unset.union(_REAL if sandbox else ())
    variables = {name: value for name, value in environment.items() if name not in dropped}
    variables |= {"SANDBOX": "1" if sandbox else "0"} | (_CREDENTIALS if sandbox else {})
    variables.setdefault("HTTPS", "0")
    variables.setdefault("ALLOWED_HOSTS", _allowed_hosts(environment, sandbox=sandbox))
    if not variables.get("SECRET_KEY"):
        variables["SECRET_KEY"] = _kept_secret(local / "secret-key", lambda: secrets.token_urlsafe(48))
    if sandbox and not variables.get("DOMAIN_CONNECT_KEY"):
        variables["DOMAIN_CONNECT_KEY"] = _kept_secret(local / "domain-connect.pem", new_key)
        variables["DOMAIN_CONNECT_PROVIDER"] = variables.get("DOMAIN_CONNECT_PROVIDER") or CONNECT_PROVIDER
    return variables


def is_sandbox(environment: Mapping[str, str]) -> bool:
    """Return whether the sandbox is used: unless SANDBOX turns it off."""
    return environment.get("SANDBOX", "1").strip().lower() not in _OFF


def _port(environment: Mapping[str, str]) -> int:
    text = environment.get("PORT") or "8000"
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise Problem(f"PORT={text!r} isn't valid. Use a number from 1 to 65535.")
    return int(text)


def _sandbox_ports(environment: Mapping[str, str]) -> tuple[int, int, int, int] | None:
    """Return the sandbox's ports; None if both addresses are given, because another sandbox serves them."""
    if environment.get("AWS_ENDPOINT_URL", "").strip() and environment.get("DNS_RESOLVERS", "").strip():
        return None
    usual = (_AWS_PORT, _DNS_PORT, _WEB_PORT, _SMTP_PORT)
    aws, dns, web, smtp = (ports.next_free(port) for port in usual)
    return aws, dns, web, smtp


def _allowed_hosts(environment: Mapping[str, str], *, sandbox: bool) -> str:
    """Return the given hosts, else local names; with a wildcard HOST, any in the sandbox. Raises Problem without it."""
    host = environment.get("HOST") or "127.0.0.1"
    if given := environment.get("ALLOWED_HOSTS", "").strip():
        return given
    if host not in _EVERYWHERE:
        return ",".join(dict.fromkeys(["localhost", "127.0.0.1", "[::1]", host]))
    if not sandbox:
        raise Problem(
            f"HOST={host} accepts connections from every machine, and this instance uses real AWS. "
            "Set ALLOWED_HOSTS to its host names, separated by commas."
        )
    return "*"


def new_key() -> str:
    """Return a new key (PEM) for signing the links of Domain Connect."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _kept_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the same secret in every run, so that no restart signs people out."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make())
    return path.read_text()
