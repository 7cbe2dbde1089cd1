"""API clients of any responding web process. They repeat unanswered requests with their Idempotency-Key."""

import json
import random
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.machines.fleet import WEB_PORT
from benchmarks.machines.network import WEBS, address

SECONDS = 5  # timeout of a call
PAUSE_OF_A_REPEAT = 1.0
BUSY = "IN_PROGRESS"


@dataclass
class ApiCall:
    """One POST. `answered`: when it was first accepted."""

    path: str
    body: dict[str, Any]
    secret: str
    then: Callable[["ApiCall"], None] = lambda _: None
    key: str = ""
    tries: int = 0
    not_before: float = 0.0
    answered: float = 0.0


@dataclass
class Visitors:
    chance: random.Random
    waiting: list[ApiCall] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    def ask(self, call: ApiCall) -> None:
        call.key = f"{self.chance.getrandbits(64):x}"
        self.waiting.append(call)

    def go_on(self) -> None:
        """Send each due request once."""
        for call in [each for each in self.waiting if each.not_before <= time.monotonic()]:
            status, body = self._send(call)
            call.tries += 1
            call.not_before = time.monotonic() + PAUSE_OF_A_REPEAT
            if self._is_over(call, status, body):
                self.waiting.remove(call)
                call.then(call)

    def _is_over(self, call: ApiCall, status: int, body: dict[str, Any]) -> bool:
        """Return whether it is finished.

        A repeated request of a dead process may be refused, since the object exists.
        """
        self.counts[str(status or "no answer")] += 1
        if status == 0 or status >= 500 or body.get("code") == BUSY:
            return False
        call.answered = time.time()
        if status >= 400 and call.tries == 1:
            self.refused.append(f"{call.path}: {status} {body.get('error', '')}")
        return True

    def _send(self, call: ApiCall) -> tuple[int, dict[str, Any]]:
        """Return status and body; status 0 without a response."""
        url = f"http://{address(self.chance.choice(WEBS))}:{WEB_PORT}{call.path}"
        headers = {
            "Authorization": f"Bearer {call.secret}",
            "Content-Type": "application/json",
            "Idempotency-Key": call.key,
            "X-Reason": "Under fire.",
        }
        request = urllib.request.Request(url, json.dumps(call.body).encode(), headers)  # one of our machines
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=SECONDS) as answer:
                return answer.status, _read(answer.read())
        except urllib.error.HTTPError as refusal:
            return refusal.code, _read(refusal.read())
        except (OSError, ValueError):
            return 0, {}


def _read(body: bytes) -> dict[str, Any]:
    """Return the parsed body; an error page isn't JSON."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
