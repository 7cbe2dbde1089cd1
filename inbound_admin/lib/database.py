"""Facts about our own database."""

from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

# Settings of the server for each of our connections: PostgreSQL checks whether the client still exists, and ends dead
# connections. Without this, a machine that loses its network in a transaction holds its locks for two hours, among them
# the row of the rate limit, so nobody could call SES.
DEAD_PEER = """
    SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
    SET tcp_user_timeout = '25s'
"""


CANNOT_WRITE = {"53100": "the disk of the database is full", "25006": "the database is read-only"}  # by SQLSTATE
UNKNOWN_NAME = ("42P01", "42703")  # SQLSTATE of a table or column that isn't there
# SQLSTATE classes of a server that shuts down, restarts or ends our session, and of a broken connection.
GONE = ("57P", "08")


def sqlstate_of(error: BaseException) -> str | None:
    """Return PostgreSQL's error code; None if there was no response."""
    state: str | None = getattr(error.__cause__, "sqlstate", None)
    return state


def is_gone(error: BaseException) -> bool:
    """Whether the server could not be reached, or left in the middle of a statement."""
    if isinstance(error, InterfaceError):
        return True
    state = sqlstate_of(error)
    return isinstance(error, OperationalError) and (state is None or state.startswith(GONE))


def is_outage(error: BaseException) -> bool:
    """Whether the same statement will work once the database is back or has room."""
    return is_gone(error) or sqlstate_of(error) in CANNOT_WRITE


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text: PostgreSQL's has the statement and hints below it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def sentence_of(error: DatabaseError) -> str:
    """Return what to do about a database that is gone or not migrated; "" for every other error."""
    if is_gone(error):
        return f"The database doesn't respond. Check DATABASE_URL. {first_line(error)}"
    if sqlstate_of(error) in UNKNOWN_NAME and (missing := missing_migrations()):
        return f"{missing} migrations are not applied. Run manage.py migrate."
    return ""


def set_keepalive(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Receiver of `connection_created`. It has no effect on a Unix socket."""
    with connection.cursor() as cursor:
        cursor.execute(DEAD_PEER)


def missing_migrations() -> int:
    """Return the number of unapplied migrations. Raises DatabaseError."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
