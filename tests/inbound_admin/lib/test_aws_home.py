"""Another AWS account or region than the database's is refused: its answers are not believed."""

from collections.abc import Iterator
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from audit.models import Change
from domains.models.domains import Domain
from inbound_admin import health
from inbound_admin.lib import aws, aws_home
from inbound_admin.lib.errors import AwsDenied, AwsUnreachable, aws_sentence
from inbound_admin.management.commands import worker
from operations.doctor.services import examine
from receipt_rules.receiving_setup.core import SetupVerdict
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.domains.factories import make_domain
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db
OURS, OTHER = "123456789012", "210987654321"
_elsewhere = aws.elsewhere


@pytest.fixture(autouse=True)
def at_home(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compare for real, in what is a new process, and at each call."""
    monkeypatch.setattr(aws, "elsewhere", _elsewhere)
    monkeypatch.setattr(aws, "HOME_ASKED_EVERY_SECONDS", 0.0)
    aws.drop_clients()
    yield
    aws.drop_clients()


def of_account(account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a process with credentials of this account."""
    aws.drop_clients()
    monkeypatch.setattr(aws, "ask_account_id", lambda: account)


def ask() -> None:
    with aws.calling("sesv2", "read the account") as ses:
        ses.get_account()


def home() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT region, account FROM aws_home ORDER BY region")
        return list(cursor.fetchall())


def test_the_first_account_is_stored_and_another_is_refused(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    make_domain("shop.com")
    ask()
    assert home() == [("eu-west-1", OURS)]
    of_account(OTHER, monkeypatch)
    before = sandbox.control.call_counts()
    refused = "aren't those of this database. Nothing was read"
    with pytest.raises(AwsDenied, match=refused), aws.calling("sesv2", "ask"):
        pytest.fail("called")
    with pytest.raises(AwsDenied, match=refused), aws.calling("s3", "ask"):
        pytest.fail("called")
    assert sandbox.control.call_counts() == before
    of_account(OURS, monkeypatch)
    ask()


def test_customers_read_that_only_our_team_can_fix_it(monkeypatch: pytest.MonkeyPatch) -> None:
    make_domain("shop.com")
    ask()
    of_account(OTHER, monkeypatch)
    with pytest.raises(AwsDenied) as refused:
        ask()
    assert aws_sentence(str(refused.value), to=None).endswith("Only our team can fix this.")
    assert OTHER not in str(refused.value)


def test_an_account_is_replaced_while_there_is_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    ask()
    of_account(OTHER, monkeypatch)
    assert aws.elsewhere() == ""
    assert home() == [("eu-west-1", OTHER)]


def test_an_account_that_aws_does_not_tell_is_unknown_and_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent() -> str:
        raise AwsUnreachable("no answer")

    monkeypatch.setattr(aws, "ask_account_id", silent)
    with pytest.raises(AwsUnreachable):
        ask()
    assert home() == []


@pytest.mark.parametrize("data", [make_domain, make_tenant])
def test_a_region_without_our_data_is_refused(data: Any, settings: Settings) -> None:
    assert all(model._meta.db_table in aws_home.HERE for model in (Domain, Tenant))
    settings.AWS_REGION = "us-east-1"
    ask()
    settings.AWS_REGION = "eu-west-1"
    data(*(["shop.com"] if data is make_domain else []))
    ask()
    settings.AWS_REGION = "us-east-1"
    with pytest.raises(AwsDenied):
        ask()
    if data is make_domain:
        assert aws.elsewhere() == (
            "AWS_REGION is us-east-1, but the database has 1 domain in eu-west-1 and nothing there."
        )


def test_a_region_whose_last_domain_was_removed_is_still_ours(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two regions in one database: a new domain of the second can be added after all of its old ones are gone."""
    make_domain("shop.com")
    settings.AWS_REGION = "us-east-1"
    last = make_domain("last.com", region="us-east-1")
    ask()
    last.delete()
    ask()
    assert (aws.elsewhere(), health._ask_home()) == ("", "ok")
    worker.refuse_to_start()
    of_account(OTHER, monkeypatch)
    assert f"the database is about account {OURS}" in aws.elsewhere(), "another account was never used in it"
    settings.AWS_REGION = "eu-central-1"
    assert "AWS_REGION is eu-central-1" in aws.elsewhere(), "a region that was never used"


def test_the_accepted_account_of_a_region_is_replaced_while_there_is_no_data_at_all(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = make_domain("shop.com")
    ask()
    last.delete()
    of_account(OTHER, monkeypatch)
    assert aws.elsewhere() == ""
    make_domain("another.com", region="us-east-1")
    assert "AWS_REGION is eu-west-1" in aws.elsewhere(), "the other account was never used with data of ours"


def test_the_update_accepts_an_empty_region_that_ran_before() -> None:
    """A region that SES was called in by two accounts isn't accepted, nor is one with another account than stored."""
    accept = import_module("inbound_admin.migrations.0005_regions_in_use").ACCEPT
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE aws_pace, aws_home")
        cursor.execute(
            """
            INSERT INTO aws_pace (account, region, free_at) SELECT account, region, now()
            FROM (VALUES ('1', 'ran'), ('1', 'new'), ('1', 'two'), ('2', 'two'), ('1', 'moved')) AS t (account, region);
            INSERT INTO aws_home (region, account) VALUES ('ran', '1'), ('two', '1'), ('moved', '2'), ('silent', '1')
            """
        )
        cursor.execute(accept)
        cursor.execute("SELECT region, account, is_accepted FROM aws_home ORDER BY region")
        found = cursor.fetchall()
    accepted, others = [("new", "1", True), ("ran", "1", True)], [("moved", "2"), ("silent", "1"), ("two", "1")]
    assert found == sorted(accepted + [(*each, False) for each in others])
    make_domain("shop.com", region="eu-west-1")
    refused = {region for region, *_ in found if aws_home.region_problem(region)}
    assert refused == {"moved", "silent", "two"}


@pytest.mark.parametrize("wrong", ["account", "region"])
def test_worker_doctor_and_healthz_say_it(wrong: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    make_domain("shop.com")
    worker.refuse_to_start()
    assert health._ask_home() == "ok"
    if wrong == "account":
        of_account(OTHER, monkeypatch)
    else:
        settings.AWS_REGION = "us-east-1"
    with pytest.raises(CommandError, match=r"so it doesn't start\. Correct AWS_REGION or the credentials"):
        call_command("worker")
    assert health._ask_home() == "another AWS account or region than the database's"
    found = {each.what: each for each in examine()}
    assert found["AWS"].verdict is SetupVerdict.WRONG
    assert (OTHER if wrong == "account" else "1 domain in eu-west-1") in found["AWS"].sentence
    assert not [name for name in found if name.startswith("Receiving")], "no advice for a region that isn't ours"


def test_a_silent_aws_does_not_keep_the_worker_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent() -> str:
        raise AwsUnreachable("no answer")

    make_domain("shop.com")
    monkeypatch.setattr(aws, "ask_account_id", silent)
    worker.refuse_to_start()


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("aws_account", *arguments, stdout=out)
    return out.getvalue()


def test_an_operator_accepts_another_account_which_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    make_domain("shop.com")
    assert "the database is about them" in run()
    of_account(OTHER, monkeypatch)
    with pytest.raises(CommandError, match=f"--accept {OTHER}"):
        run()
    with pytest.raises(CommandError, match=f"belong to account {OTHER}, not {OURS}"):
        run("--accept", OURS)
    assert not Change.objects.filter(what="aws_account.accepted").exists()
    assert OTHER in run("--accept", OTHER)
    change = Change.objects.get(what="aws_account.accepted")
    assert (change.before, change.after) == ({"account": OURS}, {"account": OTHER})
    ask()


def test_an_operator_accepts_a_second_region(settings: Settings) -> None:
    make_domain("shop.com")
    settings.AWS_REGION = "us-east-1"
    with pytest.raises(AwsDenied):
        ask()
    run("--accept", OURS)
    ask()
