"""Asking the DNS, at the resolvers of this deployment."""

from collections.abc import Sequence

from django.conf import settings

from domains.core.observing import Answer, Question
from domains.gateway import dns
from inbound_admin.lib import counting


def look_up(questions: Sequence[Question]) -> list[Answer]:
    """One answer of each resolver to each question; a look-up that failed is an answer that says so."""
    asked = list(dict.fromkeys(questions))
    resolvers = settings.DNS_RESOLVERS or dns.system_resolvers()
    answers = list(dns.look_up(asked, resolvers, timeout=settings.DNS_TIMEOUT_SECONDS).values())
    counting.count("dns_look", number=len(answers))
    return answers
