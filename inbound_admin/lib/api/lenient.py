"""Input of the published families: unknown members of a body are ignored and named in the header X-Ignored.

Clients written for the previous system send members that it didn't read. A null that the contract doesn't allow counts
as absent. A wrong type is refused: nothing is guessed. So is a member that asks for a dry run, which there is none of.

Query parameters are strict, as everywhere. Neither published client sends one that isn't known here, and a mistyped
filter that is ignored returns every row, to a program that may delete what it gets.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, get_args
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, model_validator

from inbound_admin.lib.api.validation import malformed
from inbound_admin.lib.api.values import FARTHEST, MOST, USUAL, In, Paged, QueryIn

HEADER = "X-Ignored"
MOST_NAMED, LONGEST = 20, 60
DRY_RUN = "NO_DRY_RUN"
_DRY_RUN = re.compile(
    r"(is)?(dry(run)?|simulat(e|ed|ion)|preview(only)?|(validat(e|ion)|check|test)only|what(if)?|noop|test(run|mode)|trial(run)?|commit)"
)


class LenientIn(In):
    """A body: an unknown member is ignored, but not one that another method of the same path changes.

    `elsewhere`: such a member, and that method. With 200 a client would believe that its change was made.
    """

    model_config = ConfigDict(extra="ignore")
    elsewhere: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _leave_out(cls, given: Any, info: ValidationInfo) -> Any:
        if not isinstance(given, dict):
            return given
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        if misplaced := next((name for name in given if name in cls.elsewhere and given[name] is not None), ""):
            method = cls.elsewhere[misplaced]
            raise malformed(f"body.{misplaced}", f"is changed by {method}, not by this call", code=f"USE_{method}")
        if info.context is not None:
            ignore_members(info.context["request"], [name for name in given if name not in fields])
        return {
            name: value
            for name, value in given.items()
            if name in fields and (value is not None or type(None) in get_args(fields[name].annotation))
        }


class LenientQuery(QueryIn):
    """A query string. An empty number, choice or boolean counts as absent; an empty ID or text doesn't."""

    @model_validator(mode="before")
    @classmethod
    def _leave_empty_out(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        texts = {field.alias or name for name, field in cls.model_fields.items() if _has_text(field.annotation)}
        return {name: value for name, value in given.items() if value != "" or name in texts}


def _has_text(annotation: Any) -> bool:
    return annotation is str or any(_has_text(part) for part in get_args(annotation))


def clamped(least: int, most: int) -> AfterValidator:
    return AfterValidator(lambda number: max(least, min(number, most)))


def bounded(least: int, most: int) -> Any:
    """Return what documents the bounds of a number that is clamped to them, not refused."""
    words = f"From {least} to {most:,}. A number beyond these becomes the nearest of them"
    return Field(json_schema_extra={"minimum": least, "maximum": most}, description=words)


class LenientPaged(LenientQuery, Paged):
    """Values below the minimum become the minimum, above the maximum the maximum."""

    limit: Annotated[int, clamped(1, MOST), bounded(1, MOST)] = USUAL
    offset: Annotated[int, clamped(0, FARTHEST), bounded(0, FARTHEST)] = 0


def record_ignored(request: HttpRequest, names: Iterable[str]) -> None:
    """Record ignored names for the response header, in addition to earlier ones."""
    request.ignored = [*getattr(request, "ignored", ()), *names]  # type: ignore[attr-defined]  # read below


def ignore_members(request: HttpRequest, names: Iterable[str], *, inside: str = "") -> None:
    """Record unknown members of a body as ignored. Raises Malformed for one that asks for a dry run.

    `inside`: what stands before each name, for the members of a member.
    """
    found = list(names)
    for name in found:
        if _DRY_RUN.fullmatch(re.sub(r"[^a-z]", "", name.lower())):
            raise malformed(
                f"body.{inside}{name[:LONGEST]}", "isn't a field of this call, which has no dry run", code=DRY_RUN
            )
    record_ignored(request, [f"{inside}{name}" for name in found])


def add_ignored_header(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Add the header if something was ignored. Names are percent-encoded, at most twenty."""
    if names := list(dict.fromkeys(getattr(request, "ignored", ()))):
        shown = (quote(name[:LONGEST].encode("utf-8", "replace"), safe="[]") for name in names[:MOST_NAMED])
        answer.headers[HEADER] = ", ".join(shown)
    return answer
