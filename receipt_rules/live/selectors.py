"""Reads what is known of the live rules from the database."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet

from accounts.people.selectors import Viewer
from domains.domain_list.selectors import domains_for
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.live import ActiveRuleSet, Look, RulesAsRead
from receipt_rules.models.runs import Snapshot
from receipt_rules.planner.core.plans import load
from receipt_rules.planner.core.rules import RuleSet

RULES_PER_PAGE = 10  # of up to 500 recipients each, whose customers are shown
CONTENTS_KEPT = 2


def last_known() -> Snapshot | None:
    """Return the newest snapshot, without its content, which may be megabytes."""
    return Snapshot.objects.filter(region=settings.AWS_REGION).defer("content", "known", "holders").first()


def is_set_up() -> bool:
    """Return whether a managed rule set was active at the last check: customers' changes aren't applied before."""
    look = Look.objects.filter(region=settings.AWS_REGION).first()
    kinds = {each["kind"] for each in look.differences} if look else set()
    return last_known() is not None and not kinds & {"none_active", "stranger_active"}


def applied_when() -> str:
    """Return the sentence that tells a customer when a change takes effect."""
    if is_set_up():
        return "It takes effect within a few seconds."
    return "It takes effect once inbound mail is set up in this region. Our team has been notified."


def known_rules() -> RuleSet | None:
    """Return the rules as left by the last run, or as accepted by a person; None if never known."""
    latest = last_known()
    if latest is None:
        return None
    found: RuleSet = load(latest.known) if latest.known else content_of(latest)
    return found


_contents: dict[str, RuleSet] = {}


def content_of(row: Snapshot | RulesAsRead) -> RuleSet:
    """Return the content of a row. It never changes and may be megabytes: a process caches the last two."""
    key = row.pk if isinstance(row, Snapshot) else row.digest
    found: RuleSet | None = _contents.get(key)
    if found is None:
        if isinstance(row, RulesAsRead) and "content" in row.get_deferred_fields():
            row.refresh_from_db(fields=("content", "digest"))  # together, as one read stored them
            key = row.digest
        found = load(row.content)
        while len(_contents) >= CONTENTS_KEPT:
            _contents.pop(next(iter(_contents), ""), None)  # another thread may be at it too
        _contents[key] = found
    return found


@dataclass(frozen=True)
class LastRead:
    """The newest successful read of the active rules. `name` is "" if no set was active."""

    name: str
    at: datetime
    row: Snapshot | RulesAsRead

    @property
    def rule_set(self) -> RuleSet:
        """Return the rules, loaded on first use: they may be megabytes."""
        return content_of(self.row)


def read_problem() -> str:
    """Return why the newest read of the rules failed; "" if it succeeded."""
    row = RulesAsRead.objects.filter(region=settings.AWS_REGION).only("problem").first()
    return row.problem if row else ""


def last_read() -> LastRead | None:
    """Return the newest read, or None. A snapshot that a run or a person left counts as a read."""
    row = RulesAsRead.objects.filter(region=settings.AWS_REGION).defer("content").first()
    kept = last_known()
    if row is not None and (kept is None or kept.at <= row.read_at):
        return LastRead(row.name, row.read_at, row)
    return LastRead(kept.name, kept.at, kept) if kept else None


@dataclass(frozen=True)
class ReceivingOutage:
    """SES doesn't apply our rules: no set is active (`active` is ""), or another program's is.

    `ours` is the last known managed set; "" if receiving was never set up.
    """

    region: str
    active: str
    ours: str
    since: datetime
    read_at: datetime

    @property
    def title(self) -> str:
        if not self.active:
            return f"SES rejects all mail in {self.region}: no receipt rule set is active"
        return f"Another program activated the rule set {self.active} in {self.region}"

    @property
    def sentence(self) -> str:
        ours = f"Our rule set {self.ours} isn't active. " if self.ours else "None of our rule sets is active. "
        if not self.active:
            return f"{ours}Senders get bounces."
        return f"{ours}SES applies the rules of {self.active} to all mail."


def receiving_outage() -> ReceivingOutage | None:
    """Return the outage at the last read; None while our set is active, none was read, or no address exists here."""
    row = ActiveRuleSet.objects.filter(region=settings.AWS_REGION).first()
    if row is None or row.is_ours:
        return None
    ours = known.name if (known := last_known()) else ""
    if not ours and not _is_mail_wanted():
        return None
    return ReceivingOutage(row.region, row.name, ours, row.changed_at, row.read_at)


def domains_in_outage(viewer: Viewer) -> frozenset[str]:
    """Return the IDs of the viewer's domains with addresses or catch-alls while SES doesn't apply our rules."""
    if receiving_outage() is None:
        return frozenset()
    own = domains_for(viewer).values("pk")
    return frozenset(
        str(pk) for rows in _wanted_mail() for pk in rows.filter(domain__in=own).values_list("domain", flat=True)
    )


def _is_mail_wanted() -> bool:
    return any(rows.exists() for rows in _wanted_mail())


def _wanted_mail() -> tuple["QuerySet[Address]", "QuerySet[CatchAll]"]:
    here = {"domain__region": settings.AWS_REGION, "is_active": True}
    return Address.objects.filter(**here), CatchAll.objects.filter(**here)
