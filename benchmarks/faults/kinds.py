"""Kinds of faults: what the network does at one call. They are the table's columns."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import time_machine
from django.db import connection
from django.utils import timezone

from benchmarks.faults import disk, wire
from benchmarks.faults.wire import Act, Send

DATABASE_GONE, DISK_FULL = "database gone", "disk full"


@dataclass(frozen=True)
class FaultKind:
    """`attempts`: how often botocore may send; 1 if the fault lasts as long as its timeouts."""

    name: str
    act: Act
    attempts: int = 1


def _database_gone(plain: Send, request: Any) -> Any:
    """Close every connection to the database and refuse new ones, while AWS applies the call.

    `start_database` ends it.
    """
    stop_database()
    return plain(request)


def _disk_full(plain: Send, request: Any) -> Any:
    """Fill the database's disk until this worker ends, while AWS applies the call. `disk.free` ends it."""
    disk.fill()
    return plain(request)


def stop_database() -> None:
    with _elsewhere() as other:
        name = connection.settings_dict["NAME"]
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


def start_database() -> None:
    with _elsewhere() as other:
        other.execute(f'ALTER DATABASE "{connection.settings_dict["NAME"]}" ALLOW_CONNECTIONS true')


def _elsewhere() -> "psycopg.Connection[Any]":
    """Connect to the server's own database."""
    return psycopg.connect(os.environ["DATABASE_URL"], dbname="postgres", autocommit=True)


def _clock(jump: timedelta) -> Act:
    """Set this machine's clock while AWS answers."""

    def act(plain: Send, request: Any) -> Any:
        answer = plain(request)
        time_machine.travel(timezone.now() + jump, tick=True).start()
        return answer

    return act


KINDS = (
    FaultKind("throttled", wire.refuse(400, "TooManyRequestsException")),
    FaultKind("error 500", wire.refuse(500, "InternalFailure")),
    FaultKind("timeout, not applied", wire.silent(applied=False)),
    FaultKind("timeout, applied", wire.silent(applied=True)),
    FaultKind("answer cut", wire.cut),
    FaultKind("answer cut, asked again", wire.cut, attempts=3),
    FaultKind("killed before the call", wire.killed(applied=False)),
    FaultKind("killed after the call", wire.killed(applied=True)),
    FaultKind(DATABASE_GONE, _database_gone),
    FaultKind(DISK_FULL, _disk_full),
    FaultKind("clock a day ahead", _clock(timedelta(days=1))),
    FaultKind("clock an hour back", _clock(timedelta(hours=-1))),
)
