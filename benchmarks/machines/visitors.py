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
class Asked:
    """One POST. `answered`: when it was first accepted."""

    path: str
    body: dict[str, Any]
    secret: str
    then: Callable[["Asked"], None] = lambda _: None
    key: str = ""
    tries: int = 0
    not_before: float = 0.0
    answered: float = 0.0


@dataclass
class Visitors:
    chance: random.Random
    waiting: list[Asked] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    def ask(self, asked: Asked) -> None:
        asked.key = f"{self.chance.getrandbits(64):x}"
        self.waiting.append(asked)

    def go_on(self) -> None:
        """Send each due request once."""
        for asked in [each for each in self.waiting if each.not_before <= time.monotonic()]:
            status, told = self._send(asked)
            asked.tries += 1
            asked.not_before = time.monotonic() + PAUSE_OF_A_REPEAT
            if self._is_over(asked, status, told):
                self.waiting.remove(asked)
                asked.then(asked)

    def _is_over(self, asked: Asked, status: int, told: dict[str, Any]) -> bool:
        """Return whether it is finished.

        A repeated request of a dead process may be refused, since the object exists.
        """
        self.counts[str(status or "no answer")] += 1
        if status == 0 or status >= 500 or told.get("code") == BUSY:
            return False
        asked.answered = time.time()
        if status >= 400 and asked.tries == 1:
            self.refused.append(f"{asked.path}: {status} {told.get('error', '')}")
        return True

    def _send(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        """Return status and body; status 0 without a response."""
        url = f"http://{address(self.chance.choice(WEBS))}:{WEB_PORT}{asked.path}"
        headers = {
            "Authorization": f"Bearer {asked.secret}",
            "Content-Type": "application/json",
            "Idempotency-Key": asked.key,
            "X-Reason": "Under fire.",
        }
        request = urllib.request.Request(url, json.dumps(asked.body).encode(), headers)  # one of our machines
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
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
