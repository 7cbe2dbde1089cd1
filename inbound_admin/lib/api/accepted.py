"""The response to a request that the worker carries out."""

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


# A body is validated strictly, and JSON has no dates, so these accept only text.
Day = Annotated[date, Field(strict=False), BeforeValidator(_text_alone)]
Moment = Annotated[datetime, Field(strict=False), BeforeValidator(_text_alone)]
