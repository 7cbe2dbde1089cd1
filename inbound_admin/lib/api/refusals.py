"""Errors that only the API raises."""

from typing import Any

from inbound_admin.lib.errors import Refused


class Malformed(Refused):
    """The request itself is invalid."""

    code = "MALFORMED"
    status = 400

    def __init__(self, sentence: str, *, code: str = "", details: Any = None) -> None:
        super().__init__(sentence, code=code)
        self.details = details


class WrongContentType(Refused):
    code = "WRONG_CONTENT_TYPE"
    status = 415


class Conflict(Refused):
    """The current state forbids it."""

    code = "CONFLICT"
    status = 409

    def __init__(self, sentence: str, *, code: str = "", details: Any = None) -> None:
        super().__init__(sentence, code=code)
        self.details = details
