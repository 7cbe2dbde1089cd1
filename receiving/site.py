"""The two API calls of the function: look up the recipients' endpoints, and report outcomes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiving import http_post
from receiving.deployment import Deployment

MOST_RECIPIENTS = 100
MOST_REPORTS = 100
SECONDS = 15.0
LARGEST_ANSWER = 20_000_000

Route = Mapping[str, Any]


class SiteProblem(Exception):
    """Inbound Admin didn't answer as expected. Nothing is known, so nothing may be concluded."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a message for some of its recipients; no content.

    `outcome`: delivered, failed (it is retried), waiting (for a confirmation), held (it stays in the bucket), or
    unrouted (there is no active endpoint).
    """

    outcome: str
    recipients: tuple[str, ...]
    endpoint_id: str = ""
    problem: str = ""


def look_up(deployment: Deployment, recipients: Sequence[str], received_at: str) -> list[Route]:
    """Return the routes in the recipients' order. Mail from before the holder had the name has no endpoint.

    Raises SiteProblem.
    """
    found: list[Route] = []
    for some in _batches(recipients, MOST_RECIPIENTS):
        answer = _call(deployment, "route-lookup", {"recipients": list(some), "receivedAt": received_at})
        routes = answer.get("data")
        if not isinstance(routes, list) or [each["recipient"] for each in routes] != list(some):
            raise SiteProblem("Route lookup answered for different recipients than requested.")
        found += routes
    return found


def report(deployment: Deployment, deliveries: Sequence[Mapping[str, Any]]) -> None:
    """Report outcomes. Safe to repeat. Raises SiteProblem."""
    for some in _batches(deliveries, MOST_REPORTS):
        _call(deployment, "deliveries", {"deliveries": list(some)})


def _call(deployment: Deployment, what: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    headers = {
        "Authorization": f"Bearer {deployment.key}",
        "Content-Type": "application/json",
        "User-Agent": "Inbound Admin receiving",
    }
    url, sent = f"{deployment.site_url}/api/v2/{what}", json.dumps(body).encode()
    try:
        answer = http_post.post(url, sent, headers, seconds=SECONDS, may_be_private=True, most=LARGEST_ANSWER)
    except http_post.NoReply as error:
        raise SiteProblem(f"Inbound Admin ({what}): {error}") from error
    if not answer.is_taken:
        raise SiteProblem(f"Inbound Admin ({what}) answered {answer.status}: {answer.excerpt}")
    try:
        found = json.loads(answer.body)
    except ValueError as error:
        raise SiteProblem(f"Inbound Admin ({what}) didn't answer with JSON.") from error
    if not isinstance(found, dict):
        raise SiteProblem(f"Inbound Admin ({what}) answered {type(found).__name__}.")
    return found


def _batches(values: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), most):
        yield values[start : start + most]
