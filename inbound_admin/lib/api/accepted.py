"""The answer to what the worker does: begun, and where one sees how far it is."""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from inbound_admin.lib.api.values import Out


class Accepted(Out):
    """202: it is stored and will be carried out; `statusUrl` answers what came of it."""

    id: str
    status_url: str
    message: str


def _text_alone(value: Any) -> Any:
    if value is not None and not isinstance(value, str):
        raise ValueError("a time must be a string in ISO 8601 format")
    return value


# A body is checked strictly, and JSON has no times: these are text, and nothing else is taken for one.
Day = Annotated[date, Field(strict=False), BeforeValidator(_text_alone)]
Moment = Annotated[datetime, Field(strict=False), BeforeValidator(_text_alone)]
