"""Whether a domain can be used, as the oldest API asks it: what stands in its DNS now. Nothing is stored of it."""

from dataclasses import dataclass

from django.conf import settings

from domains.core.names import DomainName, understand
from domains.core.observing import Answer, Question, Status
from domains.core.providers import provider_of
from domains.core.records import can_receive, inbound_host
from domains.models import Domain
from domains.services.adding import TAKEN, acceptable
from domains.services.looking import look_up
from inbound_admin.lib import slow_work
from inbound_admin.lib.errors import Problem, Refused
from tenants.models import Customer


class CouldNotLook(Problem):
    """The look-up failed, which says nothing of the domain."""

    code = "DNS_UNREACHABLE"
    status = 503


@dataclass(frozen=True)
class Usability:
    """`refused`: why it may not be added, in words; `mx` and `aliases` as the DNS has them."""

    name: DomainName
    refused: str
    mx: tuple[str, ...]
    aliases: tuple[str, ...]
    provider: str

    @property
    def conflicts(self) -> tuple[tuple[str, str], ...]:
        """What stands in the way of receiving there: type and value."""
        others = [value for value in self.mx if not _is_ours(value)]
        return (*(("MX", value) for value in others), *(("CNAME", value) for value in self.aliases))

    @property
    def can_be_used(self) -> bool:
        return not self.refused and not self.conflicts

    @property
    def can_receive(self) -> bool:
        return self.can_be_used and can_receive(settings.AWS_REGION)


def look_at(*, text: str, customer: Customer) -> Usability:
    """Raises Refused for what is no domain, and CouldNotLook."""
    refused = ""
    try:
        name = acceptable(text, customer).domain
    except Refused as problem:
        if problem.code != "DOMAIN_ALREADY_REGISTERED":
            raise
        refused, name = TAKEN, understand(text).domain  # the same of one's own: it does not tell whose
    questions = (Question(name.ascii, "MX"), Question(name.ascii, "CNAME"), Question(name.zone, "NS"))
    mx, aliases, servers = (_values(answers) for answers in _asked(questions, customer.pk))
    if mx is None or aliases is None:
        raise CouldNotLook(f"The DNS of {name.unicode} could not be looked at just now. Try again in a moment.")
    return Usability(name, refused, mx, aliases, provider_of(servers or ()))


def refresh_provider(domain: Domain) -> None:
    """Who hosts its DNS, looked at anew; a look-up that fails changes nothing."""
    (answers,) = _asked((Question(domain.parsed.zone, "NS"),), domain.customer_id)
    servers = _values(answers)
    if servers:
        domain.provider = provider_of(servers)
        domain.save(update_fields=("provider",))


def _asked(questions: tuple[Question, ...], customer: str) -> list[list[Answer]]:
    with slow_work.place(customer=customer):
        answers = look_up(questions)
    return [[answer for answer in answers if answer.question == question] for question in questions]


def _values(answers: list[Answer]) -> tuple[str, ...] | None:
    """None where no resolver told anything."""
    told = [answer for answer in answers if answer.status is not Status.FAILED]
    return told[0].values if told else None


def _is_ours(value: str) -> bool:
    region = settings.AWS_REGION
    return can_receive(region) and value.split(" ", 1)[-1] == inbound_host(region)
