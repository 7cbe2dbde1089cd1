"""Clients generated from our description: they can be built, and they call operations by their IDs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from accounts.api_keys.services import create_api_key
from accounts.models.people import Customer
from inbound_admin.api import api
from sandbox.process import Sandbox
from tests.factories import make_member
from tests.receipt_rules.factories import make_verified
from tests.sdk.conftest import skip_or_fail

pytestmark = pytest.mark.django_db(transaction=True)
TIMEOUT = 600  # seconds, on a busy machine
GENERATOR = "openapi-python-client==0.29.1"
USED = """
import sys
from inbound_admin_client import AuthenticatedClient
from inbound_admin_client.api.domains import get_domain, list_domains

client = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2])
(row,) = list_domains.sync(client=client, status="verified").data
print(get_domain.sync(row.id, client=client).domain)
"""


@pytest.fixture(scope="session")
def description(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    path.write_text(json.dumps(api.get_openapi_schema(path_prefix="/api")))
    return path


def test_openapi_typescript_generates_types_that_typescript_accepts(installed: Path, description: Path) -> None:
    tools, made = installed / "node_modules" / ".bin", description.with_name("api.d.ts")
    subprocess.run(
        [tools / "openapi-typescript", description, "-o", made], check=True, capture_output=True, timeout=TIMEOUT
    )
    text = made.read_text()
    assert {"listDomains", "pauseTenant", "listDomainsE2"} <= {line.split(":")[0].strip() for line in text.splitlines()}
    used = made.with_name("used.ts")
    used.write_text(
        'import type { operations } from "./api";\n'
        'type Listed = operations["listDomains"]["responses"][200]["content"]["application/json"];\n'
        "export const name = (listed: Listed): string => listed.data[0].domain;\n"
    )
    checked = subprocess.run(
        [tools / "tsc", "--noEmit", "--strict", "--skipLibCheck", "false", used],
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


def test_openapi_python_client_generates_a_client_that_lists_domains(
    description: Path, live_server: LiveServer, sandbox: Sandbox
) -> None:
    place = description.parent / "python"
    generator = _installed(description.parent / "generator")
    where = ["--path", str(description), "--meta", "none", "--output-path", str(place / "inbound_admin_client")]
    made = subprocess.run(
        [generator, "generate", *where, "--fail-on-warning"],
        env={**os.environ, "PATH": f"{generator.parent}{os.pathsep}{os.environ['PATH']}"},  # contains its ruff
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    secret = create_api_key(user=make_member(), name="generated", scopes=["read"], actor=None).secret
    make_verified("shop.com", customer=Customer.objects.get())
    used = subprocess.run(
        [sys.executable, "-c", USED, live_server.url, secret],
        env={"PYTHONPATH": str(place)}, capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    assert (used.returncode, used.stdout.strip()) == (0, "shop.com"), used.stderr


def _installed(place: Path) -> Path:
    """Install the generator in its own environment, because it needs other versions than we do."""
    subprocess.run([sys.executable, "-m", "venv", place], check=True, timeout=TIMEOUT)
    pip = [str(place / "bin" / "pip"), "install", "--quiet", GENERATOR]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        skip_or_fail(f"pip could not install {GENERATOR}: {done.stderr[-300:]}")
    return place / "bin" / "openapi-python-client"
