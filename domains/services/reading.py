"""What Amazon says of identities is read: one call a domain for a few, batches of a hundred for many."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from domains.core.checking import SesStatus
from domains.gateway import ses
from domains.models import Domain
from inbound_admin.lib.errors import AwsMissing, AwsProblem

A_FEW = 3  # up to here one call a domain is no dearer than three batched ones, and tells more (why, and when)
GONE = "Amazon does not know this domain any more. Set it up again."


def read(domains: Sequence[Domain], *, now: datetime) -> None:
    """Store what Amazon says; where it cannot be asked, what is stored stays and the reason is stored beside it."""
    try:
        if len(domains) <= A_FEW:
            for domain in domains:
                _read_one(domain)
        else:
            for some in _batches(domains):
                _read_batch(some)
    except AwsProblem as problem:
        _store(domains, ses_problem=str(problem))
        return
    _store(domains, last_ses_check=now)


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
        domain.ses_problem = ""


def _gone(domain: Domain) -> None:
    domain.identity_status = domain.dkim_status = domain.mail_from_status = SesStatus.NOT_STARTED
    domain.ses_problem = GONE


def _batches(domains: Sequence[Domain]) -> Iterator[Sequence[Domain]]:
    for start in range(0, len(domains), ses.BATCH):
        yield domains[start : start + ses.BATCH]


def _store(domains: Sequence[Domain], **fields: object) -> None:
    for domain in domains:
        for name, value in fields.items():
            setattr(domain, name, value)
    columns = ("identity_status", "dkim_status", "mail_from_status", "ses_error_type", "ses_looked_at", "ses_problem")
    Domain.objects.bulk_update(domains, (*columns, "last_ses_check"), batch_size=500)
