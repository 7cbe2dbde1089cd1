"""What Amazon says of identities is read: one call a domain for a few, batches of a hundred for many."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from domains.core.checking import SesStatus
from domains.gateway import ses
from domains.models import Domain, Stage
from domains.selectors import finding
from domains.services import tenancy
from inbound_admin.lib.errors import AwsMissing, AwsProblem

A_FEW = 3  # up to here one call a domain is no dearer than three batched ones, and tells more (why, and when)
COLUMNS = (
    "identity_status",
    "dkim_status",
    "mail_from_status",
    "ses_error_type",
    "ses_looked_at",
    "ses_soa",
    "ses_problem",
    "last_ses_check",
)
AT_ONCE = 1000  # domains in memory
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
    tenancy.note_verified(domains)


def read_all(*, now: datetime) -> int:
    """All three families of every domain that is set up, in batches; whatever changed is due for a look. How many are.

    Three calls for each hundred domains, however many of them come due one by one in between.
    """
    ready = finding.here().filter(stage=Stage.READY, held_at__isnull=True).order_by("pk")
    changed: list[str] = []
    for some in batched(ready.iterator(chunk_size=AT_ONCE), AT_ONCE):
        before = {domain.pk: domain.ses_statuses for domain in some}
        read(some, now=now)
        changed += [domain.pk for domain in some if domain.ses_statuses != before[domain.pk]]
    return Domain.objects.filter(pk__in=changed, next_check_at__gt=now).update(next_check_at=now)


def batched(domains: Iterable[Domain], size: int) -> Iterator[list[Domain]]:
    """As itertools has it from Python 3.12 on."""
    waiting = iter(domains)
    while some := list(islice(waiting, size)):
        yield some


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
    domain.ses_soa = identity.soa[:280]
    domain.ses_problem = ""


def _read_batch(domains: Sequence[Domain]) -> None:
    names = [domain.name for domain in domains]
    identities, dkim, mail_from = ses.get_verification(names), ses.get_dkim(names), ses.get_mail_from(names)
    for domain in domains:
        if domain.name not in identities:
            _gone(domain)
            continue
        domain.identity_status = identities[domain.name][0]
        domain.dkim_status = dkim[domain.name].status if domain.name in dkim else SesStatus.UNKNOWN
        domain.mail_from_status = mail_from[domain.name].status if domain.name in mail_from else SesStatus.UNKNOWN
        if domain.identity_status == SesStatus.SUCCESS:
            domain.ses_error_type = ""  # the batched calls do not tell it, and an old one would lie
        domain.ses_problem = ""


def _gone(domain: Domain) -> None:
    domain.identity_status = domain.dkim_status = domain.mail_from_status = SesStatus.NOT_STARTED
    domain.ses_problem = GONE
