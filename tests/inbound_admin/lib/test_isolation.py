"""An error with one row is that row's alone; what concerns all ends the pass."""

from collections.abc import Sequence

import psycopg
import pytest
from django.db import OperationalError

from inbound_admin.lib.errors import AwsBusy, Problem, Refused
from inbound_admin.lib.foreign_text import escaped
from inbound_admin.lib.isolation import each_alone, together

BAD = frozenset({3, 7})


def act_on_one(row: int) -> None:
    if row in BAD:
        raise Refused(f"no {row}")


def act_on_all(rows: Sequence[int]) -> None:
    for row in rows:
        act_on_one(row)


def test_each_row_but_those_that_raise_is_done_and_those_are_postponed() -> None:
    later: list[int] = []
    assert each_alone("test", range(9), act_on_one, postpone=later.append) == [0, 1, 2, 4, 5, 6, 8]
    assert later == [3, 7]


def test_of_a_batch_only_the_rows_that_raise_are_postponed() -> None:
    later: list[int] = []
    done: set[int] = set()

    def act(rows: Sequence[int]) -> None:
        act_on_all(rows)
        done.update(rows)

    together("test", list(range(9)), act, postpone=later.append)
    assert (later, done) == ([3, 7], set(range(9)) - BAD)


def test_a_batch_that_is_right_is_done_at_once() -> None:
    asked: list[Sequence[int]] = []
    together("test", [1, 2], asked.append, postpone=asked.clear)  # type: ignore[arg-type]  # never called
    together("test", [], asked.append, postpone=asked.clear)  # type: ignore[arg-type]
    assert asked == [[1, 2]]


@pytest.mark.parametrize("error", [AwsBusy("busy"), OperationalError("gone")])
def test_what_concerns_all_rows_ends_the_pass(error: Exception) -> None:
    error.__cause__ = psycopg.OperationalError("the connection is closed")
    later: list[int] = []

    def fails(_: object) -> None:
        raise error

    with pytest.raises(type(error)):
        each_alone("test", [1, 2], fails, postpone=later.append)
    with pytest.raises(type(error)):
        together("test", [1, 2], fails, postpone=later.append)
    assert later == []


def test_text_from_outside_is_escaped_as_a_zone_file_shows_it() -> None:
    assert escaped("a\x00b\x1b\x7f\x9f") == r"a\000b\027\127\159"
    assert escaped("v=DMARC1;\tp=none\r\n é \\ 🐄") == "v=DMARC1;\tp=none\r\n é \\ 🐄"
    assert str(Problem("bad \x00 line")) == r"bad \000 line"
    escaped("\ud800").encode()
