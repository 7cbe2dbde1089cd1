"""Removes the rows that a committing test leaves.

Django's own flush truncates every table, then creates the content types, permissions and roles again: half a second.
Few tables have rows, and those of `migrate` hardly ever change. So this only empties the others that have rows. Jobs,
counters and the rate limit, which Django does not know, are among them.
"""

from collections.abc import Iterable
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase
from psycopg import sql

OF_MIGRATE = ("django_content_type", "auth_permission", "auth_group", "auth_group_permissions")

_CASE: Any = TransactionTestCase  # django-stubs lack its private methods
_fixture_setup, _flush = _CASE._fixture_setup, _CASE._fixture_teardown


class Remover:
    """It knows what `migrate` made, as it was before the first test that commits."""

    def __init__(self) -> None:
        self._made = ""

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Let it begin and end each test that commits. TestCase, which rolls back, has its own methods."""
        patch.setattr(TransactionTestCase, "_fixture_setup", classmethod(self.begin))
        end = lambda case: self.end(case)  # noqa: E731, PLW0108  # only a function becomes a method
        patch.setattr(TransactionTestCase, "_fixture_teardown", end)

    def begin(self, case: type[TransactionTestCase]) -> None:
        _fixture_setup.__func__(case)
        self._made = self._made or made_by_migrate()

    def end(self, case: TransactionTestCase) -> None:
        """Remove all rows but those of `migrate`. If these have changed, Django's flush creates them again."""
        if made_by_migrate() != self._made:
            _flush(case)
            self._made = ""
        remove_rows()


def made_by_migrate() -> str:
    """Return a digest of the rows that `migrate` made."""
    rows = sql.SQL("(SELECT coalesce(string_agg(t::text, ',' ORDER BY id), '') FROM {} t)")
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT md5({})").format(_each(rows, OF_MIGRATE, " || ")))
        return str(cursor.fetchone())


def remove_rows() -> None:
    """Empty all tables but those of `migrate`, once nobody else has a transaction open on them."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_each(sql.SQL("LOCK TABLE {}"), _names(cursor), "; "))
        if names := filled(cursor):
            _empty(cursor, names)


def filled(cursor: CursorWrapper) -> list[str]:
    """Return the tables that have rows, without those of `migrate`."""
    asked = sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {})")
    each = (asked.format(name, sql.Identifier(name)) for name in _names(cursor))
    cursor.execute(sql.SQL(" UNION ALL ").join(each))
    return [name for (name,) in cursor.fetchall()]


def _each(statement: sql.SQL, names: Iterable[str], between: str) -> sql.Composed:
    return sql.SQL(between).join(statement.format(sql.Identifier(name)) for name in names)


def _names(cursor: CursorWrapper) -> list[str]:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    return [name for (name,) in cursor.fetchall() if name not in (*OF_MIGRATE, "django_migrations")]


def _empty(cursor: CursorWrapper, names: list[str]) -> None:
    """Delete without triggers, which refuse it for the change log, and without foreign keys; else truncate."""
    if _is_superuser(cursor):
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(_each(sql.SQL("DELETE FROM {}"), names, "; "))
    else:
        cursor.execute(sql.SQL("TRUNCATE {} CASCADE").format(_each(sql.SQL("{}"), names, ", ")))


def _is_superuser(cursor: CursorWrapper) -> bool:
    cursor.execute("SHOW is_superuser")
    return bool(cursor.fetchone() == ("on",))
