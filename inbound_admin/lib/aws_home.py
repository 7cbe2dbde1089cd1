"""The AWS account and region that this database is about, so that answers of another account are never believed.

The account of a region is stored at the first contact. It is replaced only while the region has no domain and no
tenant, or by `manage.py aws_account --accept`. A region without data is refused where another region has some, unless
it is accepted: by that command, or because it had data of its account. So its last domain can go, and another come.
"""

from collections.abc import Callable

from django.db import connection, transaction

# Written as SQL, because this package imports no app. A test compares the names with the models.
HERE = """
    SELECT EXISTS (SELECT FROM domains_domain WHERE region = %(region)s)
        OR EXISTS (SELECT FROM tenants_tenant WHERE region = %(region)s)
"""
ANYWHERE_ELSE = """
    SELECT EXISTS (SELECT FROM domains_domain WHERE region <> %(region)s)
        OR EXISTS (SELECT FROM tenants_tenant WHERE region <> %(region)s)
"""
WHERE = """
    SELECT region, count(*) FROM domains_domain WHERE region <> %s GROUP BY region ORDER BY count(*) DESC LIMIT 3
"""
STORED = "SELECT account, is_accepted FROM aws_home WHERE region = %s"
FIRST = """
    INSERT INTO aws_home (region, account) VALUES (%s, %s)
    ON CONFLICT (region) DO UPDATE SET account = excluded.account, is_accepted = false WHERE aws_home.account = %s
"""
IN_USE = "UPDATE aws_home SET is_accepted = true WHERE region = %s AND account = %s"
ACCEPT = """
    INSERT INTO aws_home (region, account, is_accepted) VALUES (%s, %s, true)
    ON CONFLICT (region) DO UPDATE SET account = excluded.account, is_accepted = true
"""


def region_problem(region: str) -> str:
    """Return why this isn't the region of our data; "" if it is, or if there is no data yet."""
    if _has_data(HERE, region) or not _has_data(ANYWHERE_ELSE, region) or _stored(region)[1]:
        return ""
    with connection.cursor() as cursor:
        cursor.execute(WHERE, [region])
        found = [f"{number:,} domain{'' if number == 1 else 's'} in {where}" for where, number in cursor.fetchall()]
    has = " and ".join(found) or "tenants in another region"
    return f"AWS_REGION is {region or 'empty'}, but the database has {has} and nothing there."


def account_problem(region: str, account: str) -> str:
    """Return why this isn't the account of our data; "" if it is. The first one of a region is stored.

    A region that has data of its account is accepted for the time when it has none.
    """
    stored, is_accepted = _stored(region)
    has_data = _has_data(HERE, region)
    if stored == account:
        if has_data and not is_accepted:
            _execute(IN_USE, region, account)
        return ""
    if stored and (has_data or (is_accepted and _has_data(ANYWHERE_ELSE, region))):
        return f"The AWS credentials belong to account {account}, but the database is about account {stored}."
    _execute(FIRST, region, account, stored)
    return account_problem(region, account)


def problem_of(region: str, account: Callable[[], str]) -> str:
    """Return the first problem. `account` is called only for the right region, and may raise AwsProblem."""
    return region_problem(region) or account_problem(region, account())


def accept(region: str, account: str) -> str:
    """Store the account of the region, whatever was known, and return the former one ("" if none)."""
    with transaction.atomic(), connection.cursor() as cursor:
        former, _ = _stored(region)
        cursor.execute(ACCEPT, [region, account])
    return former


def _stored(region: str) -> tuple[str, bool]:
    with connection.cursor() as cursor:
        cursor.execute(STORED, [region])
        return cursor.fetchone() or ("", False)


def _execute(statement: str, *values: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _has_data(question: str, region: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(question, {"region": region})
        return bool(cursor.fetchone()[0])
