"""Whether records of an earlier set-up at Amazon still answer for a domain that nobody has proven yet.

SES gives the same tokens to the same domain again, so such records would verify the domain for whoever adds it.
"""

import re
from collections.abc import Sequence

from domains.core.observing import Answer, Question, Status, question_for
from domains.core.records import mail_from_candidates
from domains.models import Domain
from domains.services.looking import look_up
from inbound_admin.lib.errors import Problem

_OURS_MX = re.compile(r"[0-9]+ (inbound-smtp\.[a-z0-9-]+\.amazonaws|feedback-smtp\.[a-z0-9-]+\.amazonses)\.com")


class CouldNotTell(Problem):
    """The DNS did not answer, and a failed look-up is never an absence."""

    code = "DNS_UNREACHABLE"
    status = 503


def answer_for(domain: Domain) -> bool:
    """Ownership, inbound and MAIL FROM records of any account, DKIM of ours. Raises CouldNotTell."""
    asked = _questions(domain)
    answers = look_up(asked)
    if any(_tells(domain, answer) for answer in answers if answer.status is Status.FOUND):
        return True
    told = {answer.question for answer in answers if answer.status is not Status.FAILED}
    if not told.issuperset(asked):
        raise CouldNotTell(
            f"The DNS of {domain} does not answer, so we cannot tell whether it is in use already. "
            "We try again by ourselves; if it stays so, look at your name servers."
        )
    return False


def _questions(domain: Domain) -> Sequence[Question]:
    asked = [Question(f"_amazonses.{domain.name}", "TXT"), Question(domain.name, "MX")]
    asked += [Question(name, "MX") for name in mail_from_candidates(domain.parsed)]
    return asked + [question_for(record) for record in domain.records if record.type == "CNAME"]


def _tells(domain: Domain, answer: Answer) -> bool:
    """A wildcard of the customer's own answers at any name, so an alias counts only with its own target."""
    if answer.question.type == "TXT":
        return True
    if answer.question.type == "MX":
        return any(_OURS_MX.fullmatch(value) for value in answer.values)
    return any(answer.question == question_for(record) and record.value in answer.values for record in domain.records)
