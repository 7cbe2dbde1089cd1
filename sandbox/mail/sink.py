"""A webhook that accepts and shows everything; it fails for a while if requested."""

from sandbox.aws.state import WORLD
from sandbox.mail.log import LONGEST_BODY, SinkCall

PATH = "/_sink/"
REFUSAL = "The sandbox was asked to fail this call."
_SHOWN = ("content-type", "user-agent", "idempotency-key", "x-webhook-", "x-endpoint-id", "webhook-")


def take(name: str, headers: dict[str, str], body: bytes) -> int:
    """Return the HTTP status of the response."""
    with WORLD.lock:
        left = WORLD.mail.failures.get(name, 0)
        WORLD.mail.failures[name] = max(0, left - 1)
        status = 500 if left else 200
        shown = {key: value for key, value in headers.items() if key.lower().startswith(_SHOWN)}
        text = body[:LONGEST_BODY].decode("utf-8", "replace")
        WORLD.mail.calls.append(SinkCall(WORLD.clock.now(), name, status, shown, text))
    return status
