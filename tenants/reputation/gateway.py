"""SES's recommendations (SESv2 ListRecommendations, one call a second): one function for each call."""

from typing import TYPE_CHECKING

from inbound_admin.lib import aws
from tenants.reputation.core import FoundRecommendation

if TYPE_CHECKING:
    from types_boto3_sesv2.type_defs import RecommendationTypeDef

PAGE = 100


def open_findings_page(token: str = "") -> tuple[tuple[FoundRecommendation, ...], str]:
    """Return one page of the account's open recommendations, and the token of the next page ("" after the last)."""
    more = {"NextToken": token} if token else {}
    with aws.calling("sesv2", "list the findings of the account") as ses:
        answer = ses.list_recommendations(Filter={"STATUS": "OPEN"}, PageSize=PAGE, **more)
    return _read(answer["Recommendations"]), answer.get("NextToken", "")


def findings_page_of(arn: str, token: str = "") -> tuple[tuple[FoundRecommendation, ...], str]:
    """Return one page of one tenant's recommendations by its ARN, resolved ones included, and the next token."""
    more = {"NextToken": token} if token else {}
    with aws.calling("sesv2", "list the findings of a tenant") as ses:
        answer = ses.list_recommendations(Filter={"RESOURCE_ARN": arn}, PageSize=PAGE, **more)
    return _read(answer["Recommendations"]), answer.get("NextToken", "")


def _read(rows: "list[RecommendationTypeDef]") -> tuple[FoundRecommendation, ...]:
    return tuple(
        FoundRecommendation(
            resource=row.get("ResourceArn", ""),
            kind=row.get("Type", ""),
            impact=row.get("Impact", ""),
            status=row.get("Status", ""),
            text=row.get("Description", ""),
            opened_at=row["CreatedTimestamp"],
            changed_at=row.get("LastUpdatedTimestamp"),
        )
        for row in rows
    )
