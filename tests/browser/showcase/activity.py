"""A week of work for the overview: hourly counts and open decisions."""

import math
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from tests.browser.showcase import alerts, migrations, receiving, tenants
from tests.browser.showcase.world import Showcase

INSERT = "INSERT INTO counts (hour, name, label, number) VALUES (date_trunc('hour', %s::timestamptz), %s, %s, %s)"
LEVELS = {"verified": 120, "waiting": 24, "at_risk": 1, "wrong": 6, "could_not_check": 2}
HOURS = 7 * 24


def add_week_of_work(world: Showcase) -> tuple[()]:
    for make in (receiving.make_receiving, tenants.make_tenants, migrations.make_migrations, alerts.make_alerts):
        make(world)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM counts WHERE name = 'dns_look' AND hour < now() - interval '1 day'")
        if not cursor.fetchone()[0]:
            cursor.executemany(INSERT, list(_rows()))
    return ()


def _rows() -> list[tuple[datetime | str | float, ...]]:
    now = timezone.now()
    rows: list[tuple[datetime | str | float, ...]] = []
    for hours in range(1, HOURS):
        at, busy = now - timedelta(hours=hours), 1 + math.sin(hours / 24 * math.tau)
        rows += [(at, "dns_look", "", round(200 + 300 * busy)), (at, "aws_call", "", round(20 + 60 * busy))]
        rows += [(at, "domains_by_state", state, top * (1 - hours / 400)) for state, top in LEVELS.items()]
    return rows
