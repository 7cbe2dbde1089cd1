"""Mail Manager's ingress points and rule sets: reads alone, a page a call. Nothing here changes anything."""

from typing import Any

from inbound_admin.lib import aws
from receipt_rules.mail_manager.core import IngressPoint

DOING = "see whether SES Mail Manager is used"


def list_ingress_points(token: str = "") -> tuple[tuple[IngressPoint, ...], str]:
    """A page, and the token of the next. Raises AwsProblem."""
    with aws.calling("mailmanager", DOING) as client:
        answer = client.list_ingress_points(**_more(token))
    points = (
        IngressPoint(row["IngressPointId"], row["IngressPointName"], row.get("ARecord", "").rstrip("."))
        for row in answer["IngressPoints"]
    )
    return tuple(points), answer.get("NextToken", "")


def get_ingress_point(point_id: str) -> str:
    """The id of its rule set. Raises AwsProblem, AwsMissing where it is gone."""
    with aws.calling("mailmanager", DOING) as client:
        return str(client.get_ingress_point(IngressPointId=point_id).get("RuleSetId", ""))


def list_rule_sets(token: str = "") -> tuple[tuple[tuple[str, str], ...], str]:
    """Id and name of each, a page, and the token of the next. Raises AwsProblem."""
    with aws.calling("mailmanager", DOING) as client:
        answer = client.list_rule_sets(**_more(token))
    return tuple((row["RuleSetId"], row["RuleSetName"]) for row in answer["RuleSets"]), answer.get("NextToken", "")


def _more(token: str) -> dict[str, Any]:
    return {"NextToken": token} if token else {}
