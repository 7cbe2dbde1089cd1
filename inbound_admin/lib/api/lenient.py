"""Input of the published families: unknown members are ignored and named in the header X-Ignored.

Clients written for the previous system send members and filters that it didn't read. A null that the contract doesn't
allow counts as absent. A wrong type is still refused: nothing is guessed.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self, get_args
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from pydantic import AfterValidator, ConfigDict, ModelWrapValidatorHandler, ValidationInfo, model_validator
from pydantic_core import ValidationError

from inbound_admin.lib.api.values import FARTHEST, MOST, USUAL, In, Paged, QueryIn

HEADER = "X-Ignored"
MOST_NAMED, LONGEST = 20, 60
_NOT_UNDERSTOOD = frozenset(("literal_error", "bool_parsing", "bool_type"))


class LenientIn(In):
    """A body: an unknown member is ignored."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _leave_out(cls, given: Any, info: ValidationInfo) -> Any:
        if not isinstance(given, dict):
            return given
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        _record_names(info, (name for name in given if name not in fields))
        return {
            name: value
            for name, value in given.items()
            if name in fields and (value is not None or type(None) in get_args(fields[name].annotation))
        }


class LenientQuery(QueryIn):
    """A query string. An invalid choice or boolean filters nothing."""

    @model_validator(mode="wrap")
    @classmethod
    def _ignore_choices(cls, given: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        try:
            return handler(given)
        except ValidationError as error:
            unclear = {str(each["loc"][0]) for each in error.errors() if each["type"] in _NOT_UNDERSTOOD}
            if not unclear:
                raise
            _record_names(info, sorted(unclear))
            return handler({name: value for name, value in given.items() if name not in unclear})


def clamped(least: int, most: int) -> AfterValidator:
    return AfterValidator(lambda number: max(least, min(number, most)))


class LenientPaged(LenientQuery, Paged):
    """Values below the minimum become the minimum, above the maximum the maximum; an empty one counts as absent."""

    limit: Annotated[int, clamped(1, MOST)] = USUAL
    offset: Annotated[int, clamped(0, FARTHEST)] = 0

    @model_validator(mode="before")
    @classmethod
    def _leave_empty_out(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {name: value for name, value in given.items() if name not in ("limit", "offset") or value != ""}


def record_ignored(request: HttpRequest, names: Iterable[str]) -> None:
    """Record ignored names for the response header, in addition to earlier ones."""
    request.ignored = [*getattr(request, "ignored", ()), *names]  # type: ignore[attr-defined]  # read below


def add_ignored_header(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Add the header if something was ignored. Names are percent-encoded, at most twenty."""
    if names := list(dict.fromkeys(getattr(request, "ignored", ()))):
        shown = (quote(name[:LONGEST].encode("utf-8", "replace"), safe="[]") for name in names[:MOST_NAMED])
        answer.headers[HEADER] = ", ".join(shown)
    return answer


def _record_names(info: ValidationInfo, names: Iterable[str]) -> None:
    if info.context is not None:
        record_ignored(info.context["request"], names)
