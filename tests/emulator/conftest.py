"""An independent AWS emulator that we didn't write: ministack, as a process in its own environment. `make emulator`
installs it. An assumption shared by the product and its sandbox can fail here, but not there.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from pytest_django import Settings

from inbound_admin.lib import aws
from sandbox.process import Sandbox

PROGRAM = Path(__file__).resolve().parents[2] / ".emulator" / "bin" / "ministack"
SECONDS = 60
REGION = "eu-west-1"


@dataclass(frozen=True)
class Emulator:
    url: str

    def client(self, service: str) -> Any:
        """Return a client as another program has it, without our gateways."""
        config = Config(retries={"mode": "standard", "total_max_attempts": 1})
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        session: Any = boto3.session.Session()  # the types only know clients by a literal name
        return session.client(service, region_name=REGION, endpoint_url=self.url, config=config, **keys)


@pytest.fixture(scope="session")
def running_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    if not PROGRAM.exists():
        reason = "the second emulator is not installed: `make emulator`"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    log = tmp_path_factory.mktemp("emulator") / "log"
    variables = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "SERVICES": "ses,sts,s3,lambda,iam,cloudwatch"}
    with (
        log.open("w") as file,
        subprocess.Popen(
            [str(PROGRAM)], env={**os.environ, **variables}, stdout=file, stderr=file, cwd=log.parent
        ) as process,
    ):
        try:
            _wait_for(port, process, log)
            yield Emulator(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(10)
            aws.drop_clients()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"The emulator did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def emulator(running_emulator: Emulator, sandbox: Sandbox, settings: Settings) -> Emulator:
    """Let the application use the emulator as AWS, and the sandbox as DNS."""
    settings.AWS_ENDPOINT_URL = running_emulator.url
    settings.AWS_REGION = REGION
    return running_emulator
