"""SES's quotas as settings, so a test can lower them, and the throttle of one call a second. Numbers: ses.md A."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass
class Limits:
    identities: int = 10_000
    identities_per_call: int = 100
    identities_per_page: int = 1000
    tenants: int = 10_000
    tenants_per_page: int = 100
    tags: int = 50
    rule_sets: int = 40
    rules: int = 200
    recipients: int = 500
    actions: int = 10
    filters: int = 100
    hours_until_failed: int = 72
    metric_values_per_page: int = 100_800  # a metric that goes on in the next page is PartialData in this one


@dataclass
class Beliefs:
    """Behaviour that AWS doesn't document, so a test can choose each possibility."""

    # CloudWatch's breakdown by tenant: counts by TenantId and TenantName ("pair"), the same named as SES's own metrics
    # are ("pair_singular"), rates by TenantName ("name"), metrics of names that nobody told ("other"), "none"
    tenant_metrics: str = "pair"
    # Whether v1 tells a TXT token of an identity that v2 made with DKIM alone: "no" or "yes"
    dkim_only_txt: str = "no"
    # Whether v2 names the zone of the DKIM keys (SigningHostedZone): "yes" or "no"
    hosted_zone: str = "yes"
    # The Cause of a sending status that a customer set by API: SES's samples have the first, others were seen without
    manual_cause: str = "Status manually updated."
    # Mail that SES gives up is counted (PublishExpired) at the active rule set alone ("rule_set"), or at its rule too
    lost_mail: str = "rule_set"
    # Whether CloudWatch tells a metric's values at once ("whole"), or some in each page (PartialData): "parts"
    metric_values: str = "whole"
    # `*@example.com` as a recipient of a rule: "refused", or "literal" (an address whose local part is an asterisk)
    star_recipient: str = "refused"
    # Mail that is sent with a To or Cc without a domain (`Cc: root`): "refused", or "sent"
    header_recipients: str = "refused"
    # Actions that stand after a Stop in the same rule: "skipped", or "run"
    after_stop: str = "skipped"


CHOICES: dict[str, tuple[str, ...]] = {
    "tenant_metrics": ("pair", "pair_singular", "name", "other", "none"),
    "dkim_only_txt": ("no", "yes"),
    "hosted_zone": ("yes", "no"),
    "manual_cause": ("Status manually updated.", ""),
    "lost_mail": ("rule_set", "rule"),
    "metric_values": ("whole", "parts"),
    "star_recipient": ("refused", "literal"),
    "header_recipients": ("refused", "sent"),
    "after_stop": ("skipped", "run"),
}


@dataclass
class Throttle:
    """One bucket for each account and region, shared by v1 and v2. Off while `per_second` is None."""

    per_second: float | None = None
    _last: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def admits(self, account: str, region: str, now: datetime) -> bool:
        """A refused call doesn't count."""
        if self.per_second is None:
            return True
        last = self._last.get((account, region))
        if last is not None and timedelta(0) <= now - last < timedelta(seconds=1 / self.per_second):
            return False
        self._last[account, region] = now
        return True

    def set(self, per_second: float | None) -> None:
        self.per_second = per_second
        self._last.clear()
