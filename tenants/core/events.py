"""EventBridge's events about tenants. They say where to look, never what is there: that is read."""

import json
import re
from dataclasses import dataclass

SOURCE = "aws.ses"
STATUSES = frozenset({"Sending Status Enabled", "Sending Status Disabled"})
# SES's reference calls it Resolved, AWS's own blog Closed.
FINDINGS = frozenset(f"Advisor Recommendation Status {word}" for word in ("Open", "Resolved", "Closed"))
# The sample in AWS's blog lacks the account id, so nothing but the end is looked at.
_TENANT = re.compile(r"arn:aws[a-z-]*:ses:(?P<region>[a-z0-9-]*):[0-9]*:tenant/(?P<name>[A-Za-z0-9_-]{1,64})(/.*)?")


@dataclass(frozen=True)
class TenantEvent:
    kind: str
    region: str
    names: tuple[str, ...]

    @property
    def is_of_findings(self) -> bool:
        return self.kind in FINDINGS


def read(text: str) -> TenantEvent | None:
    """None when it is not about the standing of a tenant. Never raises: whoever may publish writes what they like."""
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or event.get("source") != SOURCE:
        return None
    kind, resources = event.get("detail-type"), event.get("resources")
    if not isinstance(kind, str) or kind not in STATUSES | FINDINGS or not isinstance(resources, list):
        return None
    found = [match for each in resources if isinstance(each, str) and (match := _TENANT.fullmatch(each))]
    region = next((match["region"] for match in found), "") or str(event.get("region", ""))
    return TenantEvent(kind, region, tuple(dict.fromkeys(match["name"] for match in found)))
