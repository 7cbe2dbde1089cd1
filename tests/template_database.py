"""One worker migrates a database, and each copies its own from it.

Migrating takes seconds of a core, copying a tenth of one. One process alone migrates its own database, as ever.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.core.management import call_command
from django.db import connection
from psycopg import sql
from pytest_django import DjangoDbBlocker


@contextmanager
def copied(blocker: DjangoDbBlocker) -> Iterator[None]:
    """Where there are several workers, the first that comes makes the template, and the others wait for it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        yield
        return
    name = f"template_{run}"
    with _server() as server:
        server.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])
        is_ours = not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if is_ours:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            with blocker.unblock():
                _migrate(name)
    connection.settings_dict["TEST"] |= {"TEMPLATE": name, "MIGRATE": False}
    yield
    if is_ours:
        with _server() as server:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def _server() -> "psycopg.Connection[tuple[object, ...]]":
    told = connection.get_connection_params()
    names = ("host", "port", "user", "password")
    given = {name: told[name] for name in names if told.get(name)}
    return psycopg.connect(**given, dbname="postgres", autocommit=True)


def _migrate(name: str) -> None:
    """Closed at the end, since a database in use cannot be copied."""
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        call_command("migrate", verbosity=0, run_syncdb=True)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before
