"""Asking the DNS, at the resolvers of this deployment."""

from collections.abc import Sequence

from django.conf import settings

from domains.core.observing import Answer, Question, Status
from domains.gateway import dns
from inbound_admin.lib import counting, slow_work
from inbound_admin.lib.errors import Refused

TRIES = 2
TOO_LATE = "not asked: the request had taken long enough already"


def look_up(questions: Sequence[Question]) -> list[Answer]:
    """One answer of each resolver to each question; a look-up that failed is an answer that says so."""
    asked = list(dict.fromkeys(questions))
    ours = resolvers()
    with slow_work.place():
        timeout = slow_work.seconds_left(settings.DNS_TIMEOUT_SECONDS * TRIES) / TRIES
        if not timeout:
            return [Answer(question, at, Status.FAILED, error=TOO_LATE) for question in asked for at in ours]
        answers = list(dns.look_up(asked, ours, timeout=timeout, tries=TRIES).values())
    counting.count("dns_look", number=len(answers))
    return answers


def resolvers() -> tuple[str, ...]:
    """Those of the settings, else the system's. Raises Refused in the sandbox, whose zones no other resolver knows."""
    if settings.SANDBOX and not settings.DNS_RESOLVERS:
        raise Refused(
            "DNS was not asked: SANDBOX is on and no sandbox is running. Start it with `make run`, "
            "set DNS_RESOLVERS to a sandbox, or set SANDBOX=0 to ask the real DNS."
        )
    return tuple(settings.DNS_RESOLVERS or dns.system_resolvers())
