"""A webhook that takes whatever it is sent and shows it; for a while it refuses, if it was asked to."""

from sandbox.aws.state import WORLD
from sandbox.mail.log import LONGEST_BODY, SinkCall

PATH = "/_sink/"
REFUSAL = "The sandbox was asked to fail this call."
_SHOWN = ("content-type", "user-agent", "idempotency-key", "x-webhook-", "x-endpoint-id", "webhook-")


def take(name: str, headers: dict[str, str], body: bytes) -> int:
    """The HTTP status of the answer."""
    with WORLD.lock:
        left = WORLD.mail.failures.get(name, 0)
        WORLD.mail.failures[name] = max(0, left - 1)
        status = 500 if left else 200
        shown = {key: value for key, value in headers.items() if key.lower().startswith(_SHOWN)}
        text = body[:LONGEST_BODY].decode("utf-8", "replace")
        WORLD.mail.calls.append(SinkCall(WORLD.clock.now(), name, status, shown, text))
    return status
