"""Answers of SES that the sandbox gives to no call: the client gets them instead of sending the request."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from inbound_admin.lib import aws


@contextmanager
def answered(operation: str, code: str, *, status: int = 400, about: str = "") -> Iterator[None]:
    """Answer each call of this SESv2 operation, whose request contains `about`, with an error."""

    def answer(params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]] | None:
        if about not in f"{params['url']} {params['body']!r}":
            return None
        parsed = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return SimpleNamespace(status_code=status, headers={}), parsed

    events, name = aws.client("sesv2").meta.events, f"before-call.sesv2.{operation}"
    events.register(name, answer)
    try:
        yield
    finally:
        events.unregister(name, answer)
