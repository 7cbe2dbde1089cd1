"""What Amazon says of identities is read: one call a domain for a few, batches of a hundred for many."""

from collections.abc import Sequence
from datetime import datetime

from domains.core.checking import SesStatus
from domains.gateway import ses
from domains.models import Domain, Stage
from domains.selectors import finding
from inbound_admin.lib.errors import AwsMissing, AwsProblem

A_FEW = 3  # up to here one call a domain is no dearer than three batched ones, and tells more (why, and when)
COLUMNS = (
    "identity_status",
    "dkim_status",
    "mail_from_status",
    "ses_error_type",
    "ses_looked_at",
    "ses_problem",
    "last_ses_check",
)
GONE = "Amazon does not know this domain any more. Set it up again."


def read(domains: Sequence[Domain], *, now: datetime) -> None:
    """Store what Amazon says; where it cannot be asked, what is stored stays and the reason is stored beside it."""
    rest, at_once = list(domains), 1 if len(domains) <= A_FEW else ses.BATCH
    try:
        while rest:
            _read(rest[:at_once], now)
            del rest[:at_once]
    except AwsProblem as problem:
        for domain in rest:  # not asked any further: an Amazon that does not answer costs its time-out each time
            domain.ses_problem = str(problem)
    Domain.objects.bulk_update(domains, COLUMNS, batch_size=500)


def notice_changes(*, now: datetime) -> int:
    """Every identity's state in pages of a thousand; whatever is not as we know it is due for a look. How many are.

    Raises AwsProblem, and nothing is noticed: half a list would show the other half as gone.
    """
    seen, token = ses.list_identities()
    while token:
        page, token = ses.list_identities(token)
        seen |= page
    known = finding.here().filter(stage=Stage.READY).values_list("pk", "name", "identity_status")
    changed = [pk for pk, name, status in known if seen.get(name, SesStatus.NOT_STARTED) != status]
    return Domain.objects.filter(pk__in=changed, next_check_at__gt=now).update(next_check_at=now)


def _read(domains: Sequence[Domain], now: datetime) -> None:
    if len(domains) == 1:
        _read_one(domains[0])
    else:
        _read_batch(domains)
    for domain in domains:
        domain.last_ses_check = now


def _read_one(domain: Domain) -> None:
    try:
        identity = ses.get_identity(domain.name)
    except AwsMissing:
        _gone(domain)
        return
    domain.identity_status = identity.identity_status
    domain.dkim_status = identity.dkim_status
    domain.mail_from_status = identity.mail_from_status
    domain.ses_error_type = identity.error_type
    domain.ses_looked_at = identity.looked_at
    domain.ses_problem = ""


def _read_batch(domains: Sequence[Domain]) -> None:
    names = [domain.name for domain in domains]
    identities, dkim, mail_from = ses.get_verification(names), ses.get_dkim(names), ses.get_mail_from(names)
    for domain in domains:
        if domain.name not in identities:
            _gone(domain)
            continue
        domain.identity_status = identities[domain.name][0]
        domain.dkim_status = dkim.get(domain.name, SesStatus.UNKNOWN)
        domain.mail_from_status = mail_from.get(domain.name, ("", SesStatus.UNKNOWN))[1]
        if domain.identity_status == SesStatus.SUCCESS:
            domain.ses_error_type = ""  # the batched calls do not tell it, and an old one would lie
        domain.ses_problem = ""


def _gone(domain: Domain) -> None:
    domain.identity_status = domain.dkim_status = domain.mail_from_status = SesStatus.NOT_STARTED
    domain.ses_problem = GONE
