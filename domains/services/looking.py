"""Asking the DNS, at the resolvers of this deployment."""

from collections.abc import Sequence

from django.conf import settings

from domains.core.observing import Answer, Question, Status
from domains.gateway import dns
from inbound_admin.lib import counting, slow_work

TRIES = 2
TOO_LATE = "not asked: the request had taken long enough already"


def look_up(questions: Sequence[Question]) -> list[Answer]:
    """One answer of each resolver to each question; a look-up that failed is an answer that says so."""
    asked = list(dict.fromkeys(questions))
    resolvers = settings.DNS_RESOLVERS or dns.system_resolvers()
    with slow_work.place():
        timeout = slow_work.seconds_left(settings.DNS_TIMEOUT_SECONDS * TRIES) / TRIES
        if not timeout:
            return [Answer(question, at, Status.FAILED, error=TOO_LATE) for question in asked for at in resolvers]
        answers = list(dns.look_up(asked, resolvers, timeout=timeout, tries=TRIES).values())
    counting.count("dns_look", number=len(answers))
    return answers
