"""`manage.py doctor`: a sentence for each fault, and nothing changed."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from operations.doctor.services import clock_finding
from receipt_rules.receiving_setup.core import SetupVerdict
from sandbox.process import Sandbox
from tests.test_health import closed_port, worker_was_seen

pytestmark = pytest.mark.django_db


def doctor() -> str:
    out = StringIO()
    try:
        call_command("doctor", stdout=out)
    except CommandError as error:
        out.write(str(error))
    return out.getvalue()


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [(0, SetupVerdict.RIGHT), (59, SetupVerdict.RIGHT), (90, SetupVerdict.WRONG), (-90, SetupVerdict.WRONG)],
)
def test_a_clock_may_differ_by_a_minute(ahead: int, verdict: SetupVerdict) -> None:
    assert clock_finding(timedelta(seconds=ahead)).verdict is verdict


def test_every_permission_that_is_there_is_told_and_nothing_is_written(sandbox: Sandbox) -> None:
    worker_was_seen(seconds_ago=5)
    said = doctor()
    assert "ok  ses:ListTenants: Allowed." in said
    assert "ok  Worker: A worker is running." in said
    assert "ok  Clock:" in said
    writes = ("Create", "Delete", "Put", "Set", "Update")
    assert not [name for name in sandbox.control.call_counts() if name.startswith(writes)]


def test_a_call_that_is_denied_is_named_with_its_action(sandbox: Sandbox) -> None:
    sandbox.control.add_fault("denied", "ListTenants", nth=1, times=1)
    assert "fault  ses:ListTenants" in doctor()


def test_a_list_that_amazon_does_not_have_is_not_allowed_but_not_known(sandbox: Sandbox) -> None:
    sandbox.control.add_fault("missing", "ListTenants", nth=1, times=1)
    said = doctor()
    assert "ses:ListTenants: Allowed." not in said
    assert "?  ses:ListTenants: SES doesn't offer this call" in said
    # In such a region nobody's name is found either, whatever we may do.
    assert "?  ses:GetTenant: SES doesn't offer this call" in said
    assert "?  ses:ListTenantResources: SES doesn't offer this call" in said
    assert "ok  ses:GetEmailIdentity: Allowed." in said


def test_a_name_that_nobody_has_was_allowed_to_be_looked_for(sandbox: Sandbox) -> None:
    said = doctor()
    for action in ("GetEmailIdentity", "GetTenant", "ListTenantResources", "GetConfigurationSet"):
        assert f"ok  ses:{action}: Allowed." in said


def test_a_call_without_an_answer_is_no_missing_permission(sandbox: Sandbox) -> None:
    sandbox.control.add_fault("error", "ListTenants", nth=1, times=9)
    assert "?  ses:ListTenants" in doctor()


def test_a_worker_that_never_started_and_a_silent_resolver_are_faults(sandbox: Sandbox, settings: Settings) -> None:
    settings.DNS_RESOLVERS = (f"127.0.0.1:{closed_port()}",)
    said = doctor()
    assert "fault  Worker: No worker has ever started." in said
    assert "fault  DNS: 1 of 1 resolvers don't respond." in said


def test_without_a_running_sandbox_it_says_so_and_asks_nobody(settings: Settings) -> None:
    settings.SANDBOX, settings.AWS_ENDPOINT_URL, settings.DNS_RESOLVERS = True, "", ()
    said = doctor()
    assert "fault  AWS: AWS was not called: SANDBOX is on and no sandbox is running" in said
    assert "?  DNS: DNS wasn't queried: SANDBOX is on, but no sandbox is running" in said


def test_a_site_without_its_address_is_a_fault(sandbox: Sandbox, settings: Settings) -> None:
    settings.SITE_URL = ""
    assert "fault  SITE_URL: Not set" in doctor()
    settings.SITE_URL = "https://panel.example.com"
    assert "ok  SITE_URL: Links in emails use https://panel.example.com." in doctor()
