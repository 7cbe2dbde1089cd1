"""Adds operations to moto's SES, or replaces them: one function each, moto serialises what it returns.

moto resolves an operation's name from the request and calls the function of that snake-cased name on the service's
response class. Our functions take a `Request` and return the output's members, or None for an empty output.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import camelcase_to_underscores
from moto.ses.models import ses_backends
from moto.ses.responses import EmailResponse
from moto.sesv2.responses import SESV2Response

from sandbox.aws.state import WORLD, RegionState, region_state

Answer = Mapping[str, object] | None


@dataclass(frozen=True)
class Request:
    params: Mapping[str, Any]
    backend: Any
    state: RegionState
    now: datetime

    def text(self, name: str, default: str = "") -> str:
        value = self.params.get(name)
        return default if value is None else str(value)

    def texts(self, name: str) -> list[str]:
        return list(self.params.get(name) or [])


Operation = Callable[[Request], Answer]


def _plain(value: Any) -> Any:
    """Convert moto's case-insensitive mappings into dicts and lists."""
    if hasattr(value, "original_dict"):
        value = value.original_dict()
    if isinstance(value, Mapping):
        return {key: _plain(member) for key, member in value.items()}
    return [_plain(member) for member in value] if isinstance(value, list) else value


def _request(response: Any) -> Request:
    if not response.automated_parameter_parsing:
        response.parse_parameters(response.normalized_request)
    backend = ses_backends[response.current_account][response.region]
    return Request(_plain(response.params), backend, region_state(backend), WORLD.clock.now())


def _on(response_class: Any, name: str) -> Callable[[Operation], Operation]:
    def register(operation: Operation) -> Operation:
        def respond(self: Any) -> ActionResult:
            answer = operation(_request(self))
            return EmptyResult() if answer is None else ActionResult(answer)

        setattr(response_class, camelcase_to_underscores(name), respond)
        return operation

    return register


def v1(name: str) -> Callable[[Operation], Operation]:
    return _on(EmailResponse, name)


def v2(name: str) -> Callable[[Operation], Operation]:
    return _on(SESV2Response, name)


def cloudwatch(name: str) -> Callable[[Operation], Operation]:
    return _on(CloudWatchResponse, name)
