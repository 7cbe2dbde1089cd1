"""What can be asked of our own database about itself, and how thousands of values are asked for at once."""

from collections.abc import Iterable

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import BooleanField, F, Func, Q, Value


def missing_migrations() -> int:
    """How many are not applied. Raises DatabaseError."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


class _OneOf(Func):
    template = "(%(expressions)s))"
    arg_joiner = " = ANY("
    output_field = BooleanField()


def one_of(column: str, values: Iterable[str]) -> Q:
    """A filter as `column__in`, in one parameter: of thousands, psycopg and PostgreSQL take long to read each."""
    return Q(_OneOf(F(column), Value(sorted(values))))
