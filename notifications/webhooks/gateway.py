"""Send one POST to a webhook target, only to public addresses and without redirects (`lib.public_http`)."""

from collections.abc import Mapping
from dataclasses import dataclass

from inbound_admin.lib.errors import Problem
from inbound_admin.lib.public_http import NoAnswer, Reach, Why
from inbound_admin.lib.public_http import post as public_post
from inbound_admin.lib.public_url import PublicUrl

MOST_OF_ANSWER = 1000  # bytes that are read; what follows is not waited for


class NotDelivered(Problem):
    """No response: the target is down or not allowed. It may still have received the request."""

    code = "WEBHOOK_NOT_DELIVERED"


@dataclass(frozen=True)
class Reply:
    """`excerpt` is the beginning of the response."""

    status: int
    excerpt: str

    @property
    def is_taken(self) -> bool:
        return 200 <= self.status < 300


def post(
    target: PublicUrl, body: str, headers: Mapping[str, str], *, seconds: float, may_be_private: bool = False
) -> Reply:
    """Send one POST within `seconds` in total. Raises NotDelivered."""
    reach = Reach(seconds, most_bytes=MOST_OF_ANSWER, may_be_private=may_be_private)
    try:
        response = public_post(target, body.encode(), reach, headers=headers)
    except NoAnswer as problem:
        code = "WEBHOOK_PRIVATE_ADDRESS" if problem.why is Why.PRIVATE else ""
        raise NotDelivered(str(problem), code=code) from problem
    text = response.body.decode("utf-8", "replace")
    return Reply(response.status, "".join(c if c.isprintable() else " " for c in text).strip())
