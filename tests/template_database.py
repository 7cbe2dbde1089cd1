"""One worker migrates a database, and each copies its own from it.

Migrating takes seconds of a core, copying a tenth of one. A single process migrates its own database.
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
    """Let each worker copy its database from a template. The first creates it and the others wait for it."""
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
            try:
                with blocker.unblock():
                    _migrate(name)
            except BaseException:
                _drop(server, name)  # others must not copy an incomplete template
                raise
    connection.settings_dict["TEST"] |= {"TEMPLATE": name, "MIGRATE": False}
    yield
    if is_ours:
        with _server() as server:
            _drop(server, name)


def _drop(server: "psycopg.Connection[tuple[object, ...]]", name: str) -> None:
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def _server() -> "psycopg.Connection[tuple[object, ...]]":
    params = connection.get_connection_params()
    names = ("host", "port", "user", "password")
    given = {name: params[name] for name in names if params.get(name)}
    return psycopg.connect(**given, dbname="postgres", autocommit=True)


def _migrate(name: str) -> None:
    """Migrate, then close the connection, because a database in use can't be copied."""
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        call_command("migrate", verbosity=0, run_syncdb=True)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before
