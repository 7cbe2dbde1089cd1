"""Facts about our own database, and a filter for thousands of values."""

from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.models import BooleanField, F, Func, Q, Value

# Settings of the server for each of our connections: PostgreSQL checks whether the client still exists, and ends dead
# connections. Without this, a machine that loses its network in a transaction holds its locks for two hours, among them
# the row of the rate limit, so nobody could call SES.
DEAD_PEER = """
    SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
    SET tcp_user_timeout = '25s'
"""


def set_keepalive(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Receiver of `connection_created`. It has no effect on a Unix socket."""
    with connection.cursor() as cursor:
        cursor.execute(DEAD_PEER)


def missing_migrations() -> int:
    """Return the number of unapplied migrations. Raises DatabaseError."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


class _OneOf(Func):
    template = "(%(expressions)s))"
    arg_joiner = " = ANY("
    output_field = BooleanField()


def in_values(column: str, values: Iterable[str]) -> Q:
    """Filter as `column__in`, in one parameter: psycopg and PostgreSQL are slow with thousands of parameters."""
    return Q(_OneOf(F(column), Value(sorted(values))))
