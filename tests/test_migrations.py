"""New migrations neither lock a table for long nor remove what the previous version still uses. django-migration-
linter judges the SQL that Django generates, and so do the rules below, which it lacks. Migrations of `BASELINE`
are older than the first deployment. CONTRIBUTING.md has the recipes.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import connection
from django.db.migrations import AddConstraint, AddField, AddIndex, AlterField, Migration, RemoveField, RunSQL
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.models import BooleanField, CharField, CheckConstraint, Index, Q
from django_migration_linter.sql_analyser.postgresql import PostgresqlAnalyser

ROOT = Path(__file__).resolve().parents[1]
BASELINE = set((ROOT / "tests" / "migrations_baseline.txt").read_text().split())
# Exceptions by migration, with the reason, such as: version 0.3 no longer reads the column.
ALLOWED: dict[str, str] = {
    "receipt_rules.0023_address_of_domain": (
        "Its unique index is made CONCURRENTLY before it becomes the constraint. What ends was replaced before, under "
        "a lock of a moment. The version before looks an address up without its customer, and tells by the row's."
    ),
}
# A new constraint reads the whole existing table under a lock, unless it is NOT VALID at first.
CONSTRAINT_CHECKED_AT_ONCE = re.compile(
    r"ALTER TABLE (\S+) ADD CONSTRAINT \S+ (CHECK|FOREIGN KEY|EXCLUDE)\b(?!.*NOT VALID)"
)
WITH_LOCK = re.compile(r"^(LOCK TABLE|CLUSTER|VACUUM FULL|REFRESH MATERIALIZED VIEW (?!CONCURRENTLY))")


def faults(statements: Sequence[str], *, atomic: bool) -> list[str]:
    """Return the faults of one migration's SQL."""
    plain = [" ".join(each.split()) for each in statements if each.strip() and not each.startswith("--")]
    analyser = PostgresqlAnalyser(exclude_migration_tests=[])
    analyser.analyse(["BEGIN;", *plain] if atomic else plain)
    made = {found[1] for each in plain if (found := re.match(r"CREATE TABLE (\S+)", each))}
    ours = [
        f"{found[2]} is checked at once"
        for each in plain
        if (found := CONSTRAINT_CHECKED_AT_ONCE.match(each)) and found[1] not in made
    ]
    ours += [f"{found[1]} locks the table" for each in plain if (found := WITH_LOCK.match(each))]
    return [*(issue.code for issue in (*analyser.errors, *analyser.warnings)), *ours]


def sql_of(migration: Migration, state: ProjectState) -> list[str]:
    with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
        migration.apply(state.clone(), editor, collect_sql=True)
    return list(editor.collected_sql)


def our_migrations(loader: MigrationLoader) -> dict[str, tuple[str, str]]:
    """Return the key of each migration of this repository by "app.name"."""
    return {
        f"{app}.{name}": (app, name)
        for (app, name), migration in loader.disk_migrations.items()
        if (ROOT / migration.__module__.partition(".")[0]).is_dir()
    }


@pytest.mark.django_db(transaction=True)  # an index is created concurrently only outside a transaction
def test_no_new_migration_locks_a_table_or_breaks_the_previous_version() -> None:
    loader = MigrationLoader(connection)
    found = {}
    for label, (app, name) in our_migrations(loader).items():
        if label not in BASELINE and label not in ALLOWED:
            migration = loader.get_migration(app, name)
            state = loader.project_state((app, name), at_end=False)
            found[label] = faults(sql_of(migration, state), atomic=migration.atomic)
    assert {label: each for label, each in found.items() if each} == {}


@pytest.mark.django_db
def test_the_baseline_and_the_exceptions_name_existing_migrations() -> None:
    ours = set(our_migrations(MigrationLoader(connection)))
    assert ours >= BASELINE
    assert ours >= set(ALLOWED)
    assert not BASELINE & set(ALLOWED)


# --- the check itself, on SQL that Django generates --------------------

AT_ONCE: list[tuple[str, list[Any], bool]] = [
    ("CREATE_INDEX", [AddIndex("domain", Index(fields=["stage"], name="of_a_test"))], True),
    ("NOT_NULL", [AddField("domain", "of_a_test", CharField(max_length=9, default="x"))], True),
    (
        "NOT_NULL",
        [
            AlterField("domain", "name", CharField(max_length=253)),
            RunSQL("ALTER TABLE domains_domain ALTER COLUMN stage SET NOT NULL"),
        ],
        True,
    ),
    ("DROP_COLUMN", [RemoveField("domain", "stage")], True),
    ("RENAME_COLUMN", [RunSQL("ALTER TABLE domains_domain RENAME COLUMN stage TO step")], True),
    ("RENAME_TABLE", [RunSQL("ALTER TABLE domains_domain RENAME TO domains_name")], True),
    ("DROP_TABLE", [RunSQL("DROP TABLE domains_domain")], True),
    ("ALTER_COLUMN", [RunSQL("ALTER TABLE domains_domain ALTER COLUMN name TYPE text")], True),
    ("ADD_UNIQUE", [RunSQL("ALTER TABLE domains_domain ADD CONSTRAINT x UNIQUE (name)")], True),
    (
        "CHECK is checked at once",
        [AddConstraint("domain", CheckConstraint(condition=Q(stage="x"), name="of_a_test"))],
        True,
    ),
    (
        "FOREIGN KEY is checked at once",
        [RunSQL("ALTER TABLE domains_domain ADD CONSTRAINT x FOREIGN KEY (name) REFERENCES accounts_user (email)")],
        True,
    ),
    ("LOCK TABLE locks the table", [RunSQL("LOCK TABLE domains_domain")], True),
]
IN_STEPS: list[tuple[list[Any], bool]] = [
    ([AddIndexConcurrently("domain", Index(fields=["stage"], name="of_a_test"))], False),
    ([AddField("domain", "of_a_test", CharField(max_length=9, null=True))], True),
    ([AddField("domain", "of_a_test", BooleanField(db_default=False))], True),
    ([AddConstraintNotValid("domain", CheckConstraint(condition=Q(stage="x"), name="of_a_test"))], True),
]  # fmt: skip


def domains_state() -> ProjectState:
    loader = MigrationLoader(connection)
    return loader.project_state([key for key in loader.graph.leaf_nodes() if key[0] == "domains"])


def faults_of(operations: list[Any], *, atomic: bool) -> list[str]:
    migration = type("Migration", (Migration,), {"operations": operations, "atomic": atomic})("of_a_test", "domains")
    return faults(sql_of(migration, domains_state()), atomic=atomic)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fault", "operations", "atomic"), AT_ONCE, ids=lambda each: each if isinstance(each, str) else ""
)
def test_locking_and_breaking_operations_are_found(fault: str, operations: list[Any], atomic: bool) -> None:
    assert fault in faults_of(operations, atomic=atomic)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("operations", "atomic"), IN_STEPS)
def test_the_recipes_of_contributing_pass(operations: list[Any], atomic: bool) -> None:
    assert faults_of(operations, atomic=atomic) == []


def test_a_constraint_validated_later_or_on_a_new_table_passes() -> None:
    assert ValidateConstraint("domain", "x").atomic is not None
    assert faults(["ALTER TABLE a VALIDATE CONSTRAINT x;"], atomic=True) == []
    new = ["CREATE TABLE a (id bigint);", "ALTER TABLE a ADD CONSTRAINT x FOREIGN KEY (id) REFERENCES b (id);"]
    assert faults(new, atomic=True) == []
