"""What `make run` decides from its environment."""

import socket
from pathlib import Path
from typing import ClassVar

import environ
import pytest

from inbound_admin.lib.errors import Problem
from sandbox.local import plan, ports

EXAMPLE = Path(__file__).resolve().parents[3] / ".env.example"
EVERYWHERE = "0.0.0.0"  # noqa: S104  # no socket is bound
REAL = {"AWS_ACCESS_KEY_ID": "real", "AWS_SECRET_ACCESS_KEY": "real", "AWS_PROFILE": "work"}


@pytest.fixture
def free() -> str:
    return str(ports.next_free(18000))


def test_a_port_in_use_is_reported_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        port = bound.getsockname()[1]
        with pytest.raises(Problem, match=rf"Port {port} on 127.0.0.1 is in use.*PORT={port + 1} make run"):
            plan.made_from({"PORT": str(port)}, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["web", "0", "65536", "-1"])
def test_an_invalid_port_is_refused(port: str, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="PORT="):
        plan.made_from({"PORT": port}, tmp_path)


def test_the_sandbox_is_the_default_and_its_addresses_reach_the_children(free: str, tmp_path: Path) -> None:
    made = plan.made_from({"PORT": free}, tmp_path)
    assert made.sandbox_ports is not None
    assert made.environment["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{made.sandbox_ports[0]}"
    assert made.environment["DNS_RESOLVERS"] == f"127.0.0.1:{made.sandbox_ports[1]}"
    assert made.environment["MTA_STS_PORT"] == str(made.sandbox_ports[2])
    assert made.environment["SANDBOX"] == "1"


def test_domain_connect_is_configured_only_in_the_sandbox_with_a_stable_key(free: str, tmp_path: Path) -> None:
    environments = [plan.program_environment({"PORT": free}, tmp_path) for _ in range(2)]
    assert environments[0]["DOMAIN_CONNECT_KEY"] == environments[1]["DOMAIN_CONNECT_KEY"]
    assert environments[0]["DOMAIN_CONNECT_PROVIDER"] == plan.CONNECT_PROVIDER
    assert "DOMAIN_CONNECT_KEY" not in plan.program_environment({"PORT": free, "SANDBOX": "0"}, tmp_path)
    own = {"DOMAIN_CONNECT_KEY": "own", "DOMAIN_CONNECT_PROVIDER": "own.example"}
    assert plan.program_environment({"PORT": free, **own}, tmp_path).items() >= own.items()


def test_real_credentials_never_reach_the_sandbox(free: str, tmp_path: Path) -> None:
    environment = plan.made_from({"PORT": free, **REAL}, tmp_path).environment
    assert "real" not in environment.values()
    assert "AWS_PROFILE" not in environment


def test_without_the_sandbox_no_address_is_set_and_credentials_are_kept(free: str, tmp_path: Path) -> None:
    made = plan.made_from({"PORT": free, "SANDBOX": "0", **REAL}, tmp_path)
    assert made.sandbox_ports is None
    assert made.environment.keys().isdisjoint({"AWS_ENDPOINT_URL", "DNS_RESOLVERS"})
    assert made.environment.items() >= REAL.items()


def test_given_addresses_are_kept(free: str, tmp_path: Path) -> None:
    given = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "DNS_RESOLVERS": "127.0.0.1:2"}
    made = plan.made_from({"PORT": free, **given}, tmp_path)
    assert made.sandbox_ports is None
    assert made.environment.items() >= given.items()


def test_one_given_address_is_kept_and_the_other_is_the_sandboxs(free: str, tmp_path: Path) -> None:
    made = plan.made_from({"PORT": free, "DNS_RESOLVERS": "127.0.0.1:2"}, tmp_path)
    assert made.sandbox_ports is not None
    assert made.environment["DNS_RESOLVERS"] == "127.0.0.1:2"
    assert made.environment["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{made.sandbox_ports[0]}"


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_address_counts_as_not_given(free: str, tmp_path: Path, empty: str) -> None:
    names = ("AWS_ENDPOINT_URL", "DNS_RESOLVERS", "DATABASE_URL")
    made = plan.made_from({"PORT": free, **dict.fromkeys(names, empty)}, tmp_path)
    assert made.sandbox_ports is not None
    assert made.environment["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{made.sandbox_ports[0]}"
    assert made.environment["DNS_RESOLVERS"] == f"127.0.0.1:{made.sandbox_ports[1]}"
    assert "DATABASE_URL" not in made.environment


def test_any_host_name_is_allowed_only_in_the_sandbox(tmp_path: Path) -> None:
    environment = plan.program_environment({"HOST": EVERYWHERE}, tmp_path)
    assert environment["ALLOWED_HOSTS"] == "*"
    with pytest.raises(Problem, match="Set ALLOWED_HOSTS to its host names"):
        plan.program_environment({"HOST": EVERYWHERE, "SANDBOX": "0", "ALLOWED_HOSTS": ""}, tmp_path)
    given = {"HOST": EVERYWHERE, "SANDBOX": "0", "ALLOWED_HOSTS": "inbound.example.com"}
    assert plan.program_environment(given, tmp_path)["ALLOWED_HOSTS"] == "inbound.example.com"


def test_a_copy_of_the_example_environment_changes_nothing(free: str, tmp_path: Path) -> None:
    class Example(environ.Env):  # type: ignore[misc]  # the library has no type hints
        ENVIRON: ClassVar[dict[str, str]] = {"PORT": free}

    Example.read_env(EXAMPLE)
    assert "AWS_ENDPOINT_URL=" in EXAMPLE.read_text()
    assert plan.program_environment(Example.ENVIRON, tmp_path) == plan.program_environment({"PORT": free}, tmp_path)
    with_it, without = (plan.made_from(each, tmp_path) for each in (Example.ENVIRON, {"PORT": free}))
    assert with_it.sandbox
    assert with_it == without


def test_a_port_in_use_for_udp_only_is_skipped() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert ports.next_free(port) > port


def test_the_secret_key_is_stable_and_private(free: str, tmp_path: Path) -> None:
    first, second = (plan.made_from({"PORT": free}, tmp_path).environment["SECRET_KEY"] for _ in range(2))
    assert first == second
    assert len(first) >= 50
    assert (tmp_path / "secret-key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("host", "bind", "address"),
    [
        ("127.0.0.1", "127.0.0.1:", "http://127.0.0.1:"),
        ("0.0.0.0", "0.0.0.0:", "http://127.0.0.1:"),  # noqa: S104  # no socket is bound
        ("::1", "[::1]:", "http://[::1]:"),
        ("::", "[::]:", "http://[::1]:"),
    ],
)
def test_the_bind_address_and_the_opened_url_follow_the_host(host: str, bind: str, address: str) -> None:
    made = plan.Plan(host, 8000, True, None, {})
    assert made.bind == f"{bind}8000"
    assert made.address == f"{address}8000/"


def test_the_site_url_follows_the_port_unless_given(free: str, tmp_path: Path) -> None:
    assert plan.made_from({"PORT": free}, tmp_path).environment["SITE_URL"] == f"http://127.0.0.1:{free}/"
    given = {"PORT": free, "SITE_URL": "https://panel.example.com"}
    assert plan.made_from(given, tmp_path).environment["SITE_URL"] == "https://panel.example.com"
