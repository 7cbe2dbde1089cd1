"""Data of the page *Mail*: envelopes, function jobs and webhook calls, only for the viewer's domains."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from accounts.people.selectors import Viewer, supports_everyone
from domains.domain_list.selectors import domains_for
from sandbox.client import ControlClient
from sandbox.mail.log import FunctionJob, MailEntry, SinkCall
from sandbox.panel import control

LAST = 30
SUCCESSES = "done"


@dataclass(frozen=True)
class MailPage:
    smtp: str
    sink: str
    entries: tuple[MailEntry, ...]
    jobs: tuple[FunctionJob, ...]
    calls: tuple[SinkCall, ...]


def mail_page(viewer: Viewer) -> MailPage:
    """Raises SandboxSilent."""
    own = None if supports_everyone(viewer) else frozenset(domains_for(viewer).values_list("name", flat=True))
    with control() as host:
        jobs = tuple(job for job in host.function_jobs(LAST * 4) if job.state != SUCCESSES)
        return MailPage(
            host.smtp_address(),
            host.sink_url(),
            tuple(_entries(host, own)),
            tuple(job for job in jobs if own is None or _own(_recipients_of(job.event), own))[:LAST],
            tuple(each for each in host.sink_calls(LAST * 4) if own is None or _own(_recipients(each), own))[:LAST],
        )


def run_function() -> str:
    with control(60.0) as host:
        number = host.run_function()
    return "The function queue is empty." if not number else f"The function ran {_times(number)}."


def fail_sink() -> str:
    with control() as host:
        host.fail_sink("demo", 2)
    return "The test webhook fails the next two calls."


def redrive() -> str:
    with control() as host:
        number = host.redrive_dead_letters()
    return "There are no dead letters." if not number else f"{number} dead letters moved back to the function queue."


ACTIONS = {"run": run_function, "fail": fail_sink, "redrive": redrive}


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _entries(host: ControlClient, own: frozenset[str] | None) -> Iterable[MailEntry]:
    """Yield the entries without the recipients of other customers."""
    for entry in host.mail_log(LAST * 4):
        if own is None:
            yield entry
        elif mine := tuple(each for each in entry.recipients if _own([each], own)):
            whole = len(mine) == len(entry.recipients)
            yield replace(entry, recipients=mine, steps=entry.steps if whole else ("Also sent to other customers.",))


def _own(recipients: Iterable[str], own: frozenset[str]) -> bool:
    """Return whether all recipients are at the viewer's domains or below; False for none."""
    names = [each.rpartition("@")[2].lower() for each in recipients]
    return bool(names) and all(any(name == one or name.endswith(f".{one}") for one in own) for name in names)


def _recipients_of(event: dict[str, Any]) -> list[str]:
    if "inboundAdmin" in event:
        return list(event["inboundAdmin"].get("deliver", {}).get("recipients", ()))
    return [each for record in event.get("Records", ()) for each in record["ses"]["receipt"]["recipients"]]


def _recipients(call: SinkCall) -> list[str]:
    """Return the recipients in the body, in either format; none if it isn't JSON or is cut off."""
    try:
        body = json.loads(call.body)
    except ValueError:
        return []
    if not isinstance(body, dict):
        return []
    data, email = body.get("data"), body.get("email")
    if isinstance(data, dict):
        return [str(each) for each in data.get("recipients", ())]
    return [str(email.get("recipient", ""))] if isinstance(email, dict) else []
