"""Controls the sandbox's mail from outside SMTP. `client.py` has the same methods over HTTP."""

from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.aws.state import WORLD
from sandbox.mail.log import FunctionJob, MailEntry, SinkCall

if TYPE_CHECKING:
    from sandbox.mail.function import FunctionRunner


class MailControl:
    """The product's URL, the mail log, the function's queue, the sink."""

    def __init__(self, smtp_address: str, aws_url: str, runner: "FunctionRunner") -> None:
        self._smtp_address, self._aws_url, self._runner = smtp_address, aws_url, runner

    def smtp_address(self) -> str:
        """host:port"""
        return self._smtp_address

    def sink_url(self, name: str = "demo") -> str:
        return f"{self._aws_url}/_sink/{name}"

    def set_receiver(self, site_url: str, key: str, forward_from: str = "") -> None:
        """Set the product's URL, and the API key that the function uses."""
        with WORLD.lock:
            WORLD.receiver, WORLD.forward_from = (site_url, key), forward_from
            WORLD.changed()

    def has_receiver(self, site_url: str) -> bool:
        return WORLD.receiver[0] == site_url

    def mail_log(self, last: int = 50) -> tuple[MailEntry, ...]:
        """Newest first."""
        with WORLD.lock:
            return tuple(reversed(WORLD.mail.entries))[:last]

    def function_jobs(self, last: int = 50) -> tuple[FunctionJob, ...]:
        """Return copies, newest first."""
        with WORLD.lock:
            return tuple(replace(job) for job in reversed(WORLD.mail.jobs))[:last]

    def sink_calls(self, last: int = 50) -> tuple[SinkCall, ...]:
        """Newest first."""
        with WORLD.lock:
            return tuple(reversed(WORLD.mail.calls))[:last]

    def fail_sink(self, name: str, times: int) -> None:
        """Answer the next calls of a sink with 500."""
        if times < 0:
            raise ValueError("The number of failing calls can't be negative.")
        with WORLD.lock:
            WORLD.mail.failures[name] = times

    def run_function(self) -> int:
        """Run all waiting jobs now. Returns the number of attempts."""
        return self._runner.run_due(all_waiting=True)

    def redrive_dead_letters(self) -> int:
        """Queue dead letters again for a first attempt. Returns the number."""
        with WORLD.lock:
            dead = [job for job in WORLD.mail.jobs if job.state == "dead"]
            for job in dead:
                job.state, job.tries, job.due = "waiting", 0, WORLD.clock.now()
        return len(dead)
