"""The AWS account and region that this database is about, so that answers of another account are never believed.

The account of a region is stored at the first contact. It is replaced only while the region has no domain and no
tenant, or by `manage.py aws_account --accept`. A region without data is refused where another region has some.
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
    ON CONFLICT (region) DO UPDATE SET account = excluded.account WHERE aws_home.account = %s
"""
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
    """Return why this isn't the account of our data; "" if it is. The first one of a region is stored."""
    stored, _ = _stored(region)
    if stored == account:
        return ""
    if stored and _has_data(HERE, region):
        return f"The AWS credentials belong to account {account}, but the database is about account {stored}."
    with connection.cursor() as cursor:
        cursor.execute(FIRST, [region, account, stored])
    return "" if _stored(region)[0] == account else account_problem(region, account)


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


def _has_data(question: str, region: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(question, {"region": region})
        return bool(cursor.fetchone()[0])
