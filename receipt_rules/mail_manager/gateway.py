"""SES Mail Manager, the other way to receive mail with SES: its ingress points and rule sets, and which domains point
to it. Read only, one page per call.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inbound_admin.lib import aws


@dataclass(frozen=True)
class IngressPoint:
    """`host` is the name in an MX record. `rule_set` is the name of the point's own rule set; "" if unknown."""

    id: str
    name: str
    host: str
    rule_set: str = ""


def domains_at(point: IngressPoint, hosts: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return the domains, sorted, whose MX records name the point's host. `hosts`: MX hosts of each domain."""
    return tuple(sorted(name for name, named in hosts.items() if point.host.lower() in set(named)))


def domains_elsewhere(points: Sequence[IngressPoint], hosts: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return domains whose MX names none of these points: one of another account or region, or a deleted one.

    Domains without a known host are left out.
    """
    known = {point.host.lower() for point in points}
    return tuple(sorted(name for name, named in hosts.items() if named and not known.intersection(named)))


DOING = "see whether SES Mail Manager is used"


def list_ingress_points(token: str = "") -> tuple[tuple[IngressPoint, ...], str]:
    """Return a page, and the token of the next ("" at the end). Raises AwsProblem."""
    with aws.calling("mailmanager", DOING) as client:
        answer = client.list_ingress_points(**_more(token))
    points = (
        IngressPoint(row["IngressPointId"], row["IngressPointName"], row.get("ARecord", "").rstrip("."))
        for row in answer["IngressPoints"]
    )
    return tuple(points), answer.get("NextToken", "")


def get_ingress_point(point_id: str) -> str:
    """Return the ID of its rule set. Raises AwsProblem, and AwsMissing if the point doesn't exist."""
    with aws.calling("mailmanager", DOING) as client:
        return str(client.get_ingress_point(IngressPointId=point_id).get("RuleSetId", ""))


def list_rule_sets(token: str = "") -> tuple[tuple[tuple[str, str], ...], str]:
    """Return a page of IDs and names, and the token of the next ("" at the end). Raises AwsProblem."""
    with aws.calling("mailmanager", DOING) as client:
        answer = client.list_rule_sets(**_more(token))
    return tuple((row["RuleSetId"], row["RuleSetName"]) for row in answer["RuleSets"]), answer.get("NextToken", "")


def _more(token: str) -> dict[str, Any]:
    return {"NextToken": token} if token else {}
