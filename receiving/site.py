"""The two API calls of the function: look up the recipients' endpoints, and report outcomes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiving import http_post
from receiving.deployment import Deployment

MOST_RECIPIENTS = 100
MOST_REPORTS = 100
REJECTED = 400
SECONDS = 15.0
LARGEST_ANSWER = 20_000_000

Route = Mapping[str, Any]


class SiteProblem(Exception):
    """Inbound Admin didn't answer as expected. Nothing is known, so nothing may be concluded."""


class Rejected(SiteProblem):
    """Inbound Admin answered 400: something of what was sent isn't valid, so the rest is sent without it."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a message for some of its recipients; no content.

    `storage_problem`: why the stored message couldn't be read; then there is no `endpoint_id`, as it isn't to blame.
    `outcome`: delivered, failed (it is retried), waiting (for a confirmation), held (it stays in the bucket), or
    unrouted (there is no active endpoint). `is_repeat`: an earlier attempt delivered it, so this one didn't read it.
    """

    outcome: str
    recipients: tuple[str, ...]
    endpoint_id: str = ""
    problem: str = ""
    storage_problem: str = ""
    is_repeat: bool = False


def look_up(deployment: Deployment, recipients: Sequence[str], received_at: str) -> list[Route]:
    """Return the routes in the recipients' order. Mail from before the holder had the name has no endpoint.

    A recipient that Inbound Admin doesn't accept has a route with a `refusal`. Raises SiteProblem.
    """
    found: list[Route] = []
    for some in _batches(recipients, MOST_RECIPIENTS):
        found += _routes(deployment, some, received_at)
    return found


def _routes(deployment: Deployment, recipients: Sequence[str], received_at: str) -> list[Route]:
    try:
        answer = _call(deployment, "route-lookup", {"recipients": list(recipients), "receivedAt": received_at})
    except Rejected as problem:
        if len(recipients) == 1:
            refused = {"endpoint": None, "awaitsConfirmation": False, "refusal": str(problem)}
            return [{"recipient": recipients[0], **refused}]
        return [route for each in recipients for route in _routes(deployment, [each], received_at)]
    routes = answer.get("data")
    found = routes if isinstance(routes, list) and all(isinstance(each, dict) for each in routes) else []
    if [each.get("recipient") for each in found] != list(recipients):
        raise SiteProblem("Route lookup answered for different recipients than requested.")
    return found


def report(deployment: Deployment, deliveries: Sequence[Mapping[str, Any]]) -> None:
    """Report outcomes. Safe to repeat. One that Inbound Admin doesn't accept holds up no other. Raises SiteProblem."""
    short = [
        {**each, "recipients": some} for each in deliveries for some in _batches(each["recipients"], MOST_RECIPIENTS)
    ]
    problems = [problem for some in _batches(short, MOST_REPORTS) for problem in _report_problems(deployment, some)]
    if problems:
        raise SiteProblem("; ".join(dict.fromkeys(problems)))


def _report_problems(deployment: Deployment, deliveries: Sequence[Mapping[str, Any]]) -> list[str]:
    try:
        _call(deployment, "deliveries", {"deliveries": list(deliveries)})
    except SiteProblem as problem:
        if isinstance(problem, Rejected) and len(deliveries) > 1:
            return [each for one in deliveries for each in _report_problems(deployment, [one])]
        return [str(problem)]
    return []


def _call(deployment: Deployment, what: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    headers = {
        "Authorization": f"Bearer {deployment.key}",
        "Content-Type": "application/json",
        "User-Agent": "Inbound Admin receiving",
        "X-Inbound-Admin-Claims": "1",  # of two events for a shared name, one delivers
    }
    url, sent = f"{deployment.site_url}/api/v2/{what}", json.dumps(body).encode()
    try:
        answer = http_post.post(url, sent, headers, seconds=SECONDS, may_be_private=True, most=LARGEST_ANSWER)
    except http_post.NoReply as error:
        raise SiteProblem(f"Inbound Admin ({what}): {error}") from error
    if not answer.is_taken:
        kind = Rejected if answer.status == REJECTED else SiteProblem
        raise kind(f"Inbound Admin ({what}) answered {answer.status}: {answer.excerpt}")
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise SiteProblem(f"Inbound Admin ({what}) didn't answer with JSON.") from error
    if not isinstance(found, dict):
        raise SiteProblem(f"Inbound Admin ({what}) answered {type(found).__name__}.")
    return found


def _batches(values: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), most):
        yield values[start : start + most]
