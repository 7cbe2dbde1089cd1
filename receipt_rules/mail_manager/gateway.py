"""Mail Manager's ingress points and rule sets: read only, one page per call."""

from typing import Any

from inbound_admin.lib import aws
from receipt_rules.mail_manager.core import IngressPoint

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
