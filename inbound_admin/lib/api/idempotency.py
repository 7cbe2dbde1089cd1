"""`Idempotency-Key`: a repeated call isn't run again, but gets the first response.

The row is stored before the call, the response after it. A call whose process died is run again. The response is
repeated only to a caller who has kept all the access that they had at the first call.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse

from inbound_admin.lib.api.schemas import same_json, sent_json
from inbound_admin.lib.errors import Conflict, Malformed, NotAllowed

HEADER = "Idempotency-Key"
REASON_MISSING = "REASON_MISSING"  # nothing was changed, and the same call works once it has a reason
SHOWN_BEFORE = (
    "The secret was only in the first response to this Idempotency-Key. If you don't have it, create a new one: "
    "POST /api/v2/webhooks/{id}/secret, with another Idempotency-Key or none."
)
ACCESS_CHANGED = (
    f"The first call with this {HEADER} was answered. The response isn't repeated, because you have lost access since."
)
LONGEST = 255
KEPT_HOURS = 24
DEAD_AFTER = 120  # seconds: no call takes longer
BEGIN = """
    INSERT INTO api_calls AS known (caller, key, digest, access)
        VALUES (%(caller)s, %(key)s, %(digest)s, %(access)s)
    ON CONFLICT (caller, key) DO UPDATE SET begun_at = clock_timestamp(), access = excluded.access
        WHERE known.status IS NULL AND known.digest = excluded.digest
            AND known.begun_at < clock_timestamp() - %(dead)s * interval '1 second'
    RETURNING 0
"""
KNOWN = "SELECT digest, status, body, access FROM api_calls WHERE caller = %s AND key = %s"
FORGET = "DELETE FROM api_calls WHERE caller = %s AND begun_at < clock_timestamp() - %s * interval '1 hour'"


@dataclass(frozen=True)
class Begun:
    """A call in progress. The key is stored as a hash."""

    caller: str
    key: str


def begin(request: HttpRequest, caller: str, access: Callable[[], Collection[str]]) -> Begun | HttpResponse | None:
    """Return None without the header, or the stored first response. Raises Malformed, Conflict and NotAllowed.

    `access` returns what the caller has access to now, as texts to compare.
    """
    given = request.headers.get(HEADER)
    if given is None:
        return None
    if not 0 < len(given) <= LONGEST:
        raise Malformed(f"{HEADER} must have between 1 and {LONGEST} characters.", code="BAD_IDEMPOTENCY_KEY")
    call = Begun(caller, _hash(given.encode("utf-8", "surrogateescape")))
    # Of all spellings of the JSON: a reason in it is taken out, so that it may also come in the header.
    sent = _hash(request.method or "", request.get_full_path(), same_json(request.body))
    before_upgrade = _hash(request.method or "", request.get_full_path(), request.body)
    now = sorted(access())
    stored: dict[str, Any] = {"caller": caller, "key": call.key, "digest": sent, "access": now, "dead": DEAD_AFTER}
    with connection.cursor() as cursor:
        cursor.execute(FORGET, [caller, KEPT_HOURS])
        cursor.execute(BEGIN, stored)
        if cursor.fetchone():
            return call
        cursor.execute(KNOWN, [caller, call.key])
        row = cursor.fetchone()
    return _known(row, (sent, before_upgrade), now)


def finish(call: Begun, answer: HttpResponse, *, secret: str = "") -> None:
    """Store the response, unless the call may be retried: 5xx, 429, or one that lacks the reason of staff.

    A `secret` in the response is shown once and not stored: the repeated response says so instead.
    """
    body = _without(secret, answer.content) if secret else answer.content.decode()
    with connection.cursor() as cursor:
        if answer.status_code >= 500 or answer.status_code == 429 or _lacks_reason(answer):
            cursor.execute("DELETE FROM api_calls WHERE caller = %s AND key = %s", [call.caller, call.key])
            return
        cursor.execute(
            "UPDATE api_calls SET status = %s, body = %s WHERE caller = %s AND key = %s",
            [answer.status_code, body, call.caller, call.key],
        )


def _without(secret: str, content: bytes) -> str:
    sent = sent_json(content)
    members = sent.items() if isinstance(sent, dict) else ()
    kept = {name: None if value == secret else value for name, value in members}
    return json.dumps(kept | {"secretMessage": SHOWN_BEFORE}).replace(secret, "")


def _lacks_reason(answer: HttpResponse) -> bool:
    if answer.status_code != HTTPStatus.UNPROCESSABLE_ENTITY:
        return False
    sent = sent_json(answer.content)
    return isinstance(sent, dict) and sent.get("code") == REASON_MISSING


def _known(
    row: tuple[str, int | None, str, list[str] | None] | None, sent: Sequence[str], access: Collection[str]
) -> HttpResponse:
    if row is not None and row[0] not in sent:
        sentence = f"This {HEADER} was used for a different request. Use a new one for each request."
        raise Conflict(sentence, code="IDEMPOTENCY_KEY_REUSED")
    if row is None or row[1] is None:
        raise Conflict("A request with this key is still running. Try again in a moment.", code="IN_PROGRESS")
    if not set(row[3] or ()).issubset(access):  # the version before stored none
        raise NotAllowed(ACCESS_CHANGED, code="ACCESS_CHANGED")
    answer = HttpResponse(row[2], status=row[1], content_type="application/json; charset=utf-8")
    answer.headers["Idempotent-Replayed"] = "true"
    return answer


def _hash(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
