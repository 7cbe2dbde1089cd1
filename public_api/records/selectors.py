"""What is left to do about a domain's records, as sentences: what its page says."""

import re
from functools import reduce

from domains.models.domains import Domain, Stage
from domains.records.core import Need
from domains.records.selectors import RecordRow, records_page

PLAIN_CODES = ("", "dns.absent", "dns.not_checked", "dns.change.nameservers")  # the record is just to be published


def next_steps(domain: Domain) -> list[str]:
    """Return what to do about the zone or each required record that isn't correct, as its page says, then about SES."""
    if domain.is_held_by_another:
        return [domain.stage_problem]
    page = records_page(domain, can_check_in=0)
    steps = [_step(row) for row in page.rows if row.record.need is Need.REQUIRED and not row.is_done]
    if page.cause:
        steps = [page.cause.sentence, *(steps if page.cause.asks_to_publish else ())]
    if domain.stage != Stage.READY:
        return steps
    steps += [each.sentence for each in (domain.receiving, *domain.receiving_below) if each.is_red]
    if domain.ses_stopped_checking:
        why = domain.ses_problem if domain.is_gone else "Amazon SES stopped checking."
        steps.append(f"{why} When the records are correct, restart with POST /api/v2/domains/{domain.pk}/auth.")
    return steps


def _step(row: RecordRow) -> str:
    """Only a record that is missing is to be published. Any other has a reason, which says what to do."""
    record = row.record
    named = f"{record.type} {record.name}"
    is_plain = not row.is_unchecked and row.finding is None and row.code in PLAIN_CODES
    if is_plain and record.value:
        return f"Publish {named} with the value {record.with_priority}."
    value = record.withheld if not record.value else "" if _is_told(row) else f"The value is {record.with_priority}."
    return " ".join(filter(None, (f"{named}:", row.reason, value)))


def _is_told(row: RecordRow) -> bool:
    """Return whether the reason says the value, in any form: a second one would contradict the advice.

    What it says was found doesn't count, since a damaged value can contain the right one.
    """
    found = (*row.found, *(row.finding.found if row.finding else ()))
    advice = reduce(lambda text, value: text.replace(value, " "), filter(None, found), row.reason)
    return re.search(rf"(?<![\w=+/-]){re.escape(row.record.value)}(?![\w=+/-])", advice) is not None
