"""The published clients from npm, and their response types. Without npm the tests are skipped."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.api_keys.services import create_api_key
from sandbox.process import Sandbox
from tests.browser.worker import running_worker
from tests.factories import make_member

OLDER, NEWER = "@inboundemail/sdk@4.4.0", "inboundemail@0.20.0"
GENERATORS = ("ts-json-schema-generator@2.10.0", "openapi-typescript@7.13.0", "typescript@5.9.3")
HERE = Path(__file__).parent
Call = Callable[..., Any]
Fits = Callable[[str, Any], list[str]]


def skip_or_fail(why: str) -> Any:
    """Skip the test; in CI, which has a registry, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"The published clients could not be tested: {why}.")
    pytest.skip(f"The published clients were not tested: {why}.")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install both clients from npm, a generator of schemas from their types, and one of types from our description."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        skip_or_fail("npm and node are not installed here")
    place = tmp_path_factory.mktemp("sdk")
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(place)]
    command = ["npm", "install", *options, OLDER, NEWER, *GENERATORS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        skip_or_fail(f"npm could not install them: {done.stderr[-300:]}")
    for script in HERE.glob("*.mjs"):
        shutil.copy(script, place)
    return place


@pytest.fixture(scope="session")
def fits(installed: Path) -> Fits:
    """Return where a response doesn't match the client's type of this name."""
    command = ["node", str(installed / "schemas.mjs"), str(installed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    schemas = json.loads(done.stdout)

    def found(name: str, answer: Any) -> list[str]:
        problems = jsonschema_rs.validator_for(schemas[name]).iter_errors(answer)
        return [f"{'.'.join(map(str, each.instance_path))}: {each.message}" for each in problems]

    return found


@pytest.fixture
def worker(sandbox: Sandbox, settings: Settings) -> Iterator[None]:
    """Run a real worker."""
    settings.API_WAIT_SECONDS = 30  # the worker starts on a machine that is busy with other tests
    with running_worker(sandbox):
        yield


@pytest.fixture
def drive(installed: Path, live_server: LiveServer, sandbox: Sandbox) -> Call:
    """Call a method of a client through its script. Return its result."""
    secret = create_api_key(user=make_member(), name="sdk", scopes=["read", "write"], actor=None).secret

    def called(script: str, below: str, name: str, given: Any) -> dict[str, Any]:
        command = ["node", str(installed / script), secret, live_server.url + below, json.dumps([[name, given]])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        answer: dict[str, Any]
        (answer,) = json.loads(done.stdout)
        return answer

    return called
