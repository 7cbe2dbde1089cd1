"""What one can do to the sandbox's mail from beside SMTP. `client.py` has the same methods over HTTP."""

from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.aws.state import WORLD
from sandbox.mail.log import FunctionJob, MailEntry, SinkCall

if TYPE_CHECKING:
    from sandbox.mail.function import FunctionRunner


class MailControl:
    """Where the product is, the log of mail, the function's queue, the sink."""

    def __init__(self, smtp_address: str, aws_url: str, runner: "FunctionRunner") -> None:
        self._smtp_address, self._aws_url, self._runner = smtp_address, aws_url, runner

    def smtp_address(self) -> str:
        """host:port"""
        return self._smtp_address

    def sink_url(self, name: str = "demo") -> str:
        return f"{self._aws_url}/_sink/{name}"

    def set_receiver(self, site_url: str, key: str, forward_from: str = "") -> None:
        """The address of the product, and the API key with which its function asks and reports."""
        with WORLD.lock:
            WORLD.receiver, WORLD.forward_from = (site_url, key), forward_from
            WORLD.changed()

    def has_receiver(self, site_url: str) -> bool:
        return WORLD.receiver[0] == site_url

    def mail_log(self, last: int = 50) -> tuple[MailEntry, ...]:
        """The newest first."""
        with WORLD.lock:
            return tuple(reversed(WORLD.mail.entries))[:last]

    def function_jobs(self, last: int = 50) -> tuple[FunctionJob, ...]:
        """Copies, the newest first."""
        with WORLD.lock:
            return tuple(replace(job) for job in reversed(WORLD.mail.jobs))[:last]

    def sink_calls(self, last: int = 50) -> tuple[SinkCall, ...]:
        """The newest first."""
        with WORLD.lock:
            return tuple(reversed(WORLD.mail.calls))[:last]

    def fail_sink(self, name: str, times: int) -> None:
        """The next calls of a sink are answered 500."""
        if times < 0:
            raise ValueError("The number of failing calls can't be negative.")
        with WORLD.lock:
            WORLD.mail.failures[name] = times

    def run_function(self) -> int:
        """All that waits is tried now. How many attempts that was."""
        return self._runner.run_due(all_waiting=True)

    def redrive_dead_letters(self) -> int:
        """They wait for the function again, from the first attempt on. How many."""
        with WORLD.lock:
            dead = [job for job in WORLD.mail.jobs if job.state == "dead"]
            for job in dead:
                job.state, job.tries, job.due = "waiting", 0, WORLD.clock.now()
        return len(dead)
