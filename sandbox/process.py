"""The sandbox as one thing to start and stop: AWS and the control API on one port, DNS and a web host on two others.

moto's state belongs to the process, so a process has one sandbox at a time; another in its place takes over what the
last one left, unless it is reset. moto's `mock_aws` would wipe it: use one or the other.
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox import aws, connect_host
from sandbox.aws.state import WORLD
from sandbox.control import Control
from sandbox.control_mail import MailControl
from sandbox.control_wire import answer
from sandbox.dns.server import DnsServer
from sandbox.dns.wire import QueryCount
from sandbox.dns.zones import ZoneStore
from sandbox.mail.function import FunctionRunner
from sandbox.mail.smtp import SmtpServer
from sandbox.seed import seed
from sandbox.snapshot import CALLS, Snapshot
from sandbox.verifier import Verifier
from sandbox.web_host import WebHost
from sandbox.wire import Application, HttpServer

REGIONS = ("us-east-1", "eu-west-1")


class Sandbox:
    """Ports of 0 are chosen by the system. `verify_every` in seconds; 0: only `control.tick()`
    verifies, and only `control.run_function()` runs the function.

    Without `exit_process`, an `exit_after` fault raises ProcessCut in the boto3 client if that lives in this process
    (its session made after `aws.install`). With it, the sandbox's own process is ended by calling it.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        aws_port: int = 0,
        dns_port: int = 0,
        state_dir: Path | None = None,
        verify_every: float = 0,
        *,
        web_port: int = 0,
        smtp_port: int = 0,
        regions: Sequence[str] = REGIONS,
        exit_process: Callable[[], None] | None = None,
    ) -> None:
        aws.install()
        self._host, self._aws_port, self._dns_port = host, aws_port, dns_port
        self._web_port, self._smtp_port, self._verify_every = web_port, smtp_port, verify_every
        self._state_dir, self._durable = state_dir, False
        self._regions = tuple(regions)
        self._exit_process = exit_process
        self.zones = ZoneStore()
        self._snapshot = Snapshot(state_dir, self.zones) if state_dir else None
        self.aws_url = ""
        self.dns_address = ""
        self.smtp_address = ""

    @property
    def queries(self) -> QueryCount:
        """Return the counts of DNS queries, by the application and by the sandbox's SES."""
        return self._dns.queries

    @property
    def web_port(self) -> int:
        """Return the HTTPS port of the customers' web host."""
        return self._web.port

    @property
    def authority(self) -> Path:
        """Return the file of the CA certificate of the web host."""
        return self._web.authority

    def write_at_once(self) -> Self:
        """Write state and calls before each response. They survive a kill. Call it before `start`, with `state_dir`."""
        self._durable = True
        return self

    def start(self) -> Self:
        """Raises OSError if a port is in use; then nothing runs."""
        self._directory = self._state_dir or Path(tempfile.mkdtemp(prefix="sandbox-"))
        self._directory.mkdir(parents=True, exist_ok=True)
        if self._snapshot:
            self._snapshot.load()
        if self._durable:
            WORLD.calls.keep_in(self._directory / CALLS)
        seed(self._regions)
        self._dns = DnsServer(self.zones, self._host, self._dns_port)
        self.dns_address = "{}:{}".format(*self._dns.start())
        self._verifier = Verifier(self.dns_address)
        try:
            self._web = WebHost(self._host, self._web_port, self._directory)
            application = Application(self._answer, self._connect, self._exit_process)
            self._http = HttpServer(application, self._host, self._aws_port)
        except BaseException:
            self._dns.stop()
            raise
        self._web.start()
        self.aws_url = f"http://{self._host}:{self._http.port}"
        self._start_mail()
        self._http.start()
        self._begin_background()
        return self

    def _start_mail(self) -> None:
        """Start before anybody can use the control API. Raises OSError if the port is in use."""
        self._smtp = SmtpServer(self.zones, self._host, self._smtp_port)
        try:
            self.smtp_address = self._smtp.start()
        except OSError:
            self._dns.stop()
            self._web.stop()
            self._http.close()
            raise
        self._function = FunctionRunner(self.aws_url)
        mail = MailControl(self.smtp_address, self.aws_url, self._function)
        self.control = Control(self.zones, self._verifier, self._regions, mail)

    def _begin_background(self) -> None:
        if self._snapshot:
            WORLD.on_change.append(self._on_change(self._snapshot))
        if self._verify_every:
            self._verifier.start(self._verify_every)
            self._function.start()

    def stop(self) -> None:
        self._verifier.stop()
        self._smtp.stop()
        self._function.stop()
        self._http.stop()
        self._web.stop()
        self._dns.stop()
        if not self._state_dir:
            shutil.rmtree(self._directory, ignore_errors=True)
        if self._snapshot:
            WORLD.on_change.remove(self._on_change(self._snapshot))
            self._snapshot.stop()
            WORLD.calls.keep_in(None)

    def _on_change(self, snapshot: Snapshot) -> Callable[[], None]:
        return snapshot.save if self._durable else snapshot.save_soon

    def save(self) -> None:
        """Write the state now. No effect without a state directory."""
        if self._snapshot:
            self._snapshot.save()

    def _answer(self, method: str, arguments: Mapping[str, object]) -> object:
        return answer(self.control, method, arguments)

    def _connect(self, environ: dict[str, Any]) -> connect_host.Answered:
        return connect_host.answer(environ, self.control)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
