"""`manage.py doctor` reports each fault in a sentence and changes nothing."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from operations.doctor.services import clock_finding
from receipt_rules.receiving_setup.core import SetupVerdict
from sandbox.process import Sandbox
from tests.factories import make_customer
from tests.receipt_rules.factories import make_endpoint
from tests.test_health import closed_port, record_heartbeat

pytestmark = pytest.mark.django_db


def run_doctor() -> str:
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
def test_the_clock_may_differ_by_a_minute(ahead: int, verdict: SetupVerdict) -> None:
    assert clock_finding(timedelta(seconds=ahead)).verdict is verdict


def test_doctor_lists_all_permissions_and_writes_nothing(sandbox: Sandbox) -> None:
    record_heartbeat(seconds_ago=5)
    output = run_doctor()
    assert "ok  ses:ListTenants: Allowed." in output
    assert "ok  Worker: A worker is running." in output
    assert "ok  Clock:" in output
    writes = ("Create", "Delete", "Put", "Set", "Update")
    assert not [name for name in sandbox.control.call_counts() if name.startswith(writes)]


def test_a_denied_call_is_reported_with_its_action(sandbox: Sandbox) -> None:
    sandbox.control.add_fault("denied", "ListTenants", nth=1, times=1)
    assert "fault  ses:ListTenants" in run_doctor()


def test_a_call_that_ses_does_not_offer_is_unknown_not_allowed(sandbox: Sandbox) -> None:
    sandbox.control.add_fault("missing", "ListTenants", nth=1, times=1)
    output = run_doctor()
    assert "ses:ListTenants: Allowed." not in output
    assert "?  ses:ListTenants: SES doesn't offer this call" in output
    # In such a region a "not found" proves no permission either.
    assert "?  ses:GetTenant: SES doesn't offer this call" in output
    assert "?  ses:ListTenantResources: SES doesn't offer this call" in output
    assert "ok  ses:GetEmailIdentity: Allowed." in output


def test_a_not_found_answer_proves_the_permission(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    output = run_doctor()
    assert "aws refused" not in caplog.text, "it would look like a fault between the findings"
    for action in ("GetEmailIdentity", "GetTenant", "ListTenantResources", "GetConfigurationSet"):
        assert f"ok  ses:{action}: Allowed." in output


def test_a_call_without_an_answer_is_unknown_not_denied(sandbox: Sandbox) -> None:
    sandbox.control.add_fault("error", "ListTenants", nth=1, times=9)
    assert "?  ses:ListTenants" in run_doctor()


def test_a_missing_worker_and_an_unresponsive_resolver_are_faults(sandbox: Sandbox, settings: Settings) -> None:
    settings.DNS_RESOLVERS = (f"127.0.0.1:{closed_port()}",)
    output = run_doctor()
    assert "fault  Worker: No worker has ever started." in output
    assert "fault  DNS: 1 of 1 resolvers don't respond." in output


def test_without_a_running_sandbox_no_call_is_made(settings: Settings) -> None:
    settings.SANDBOX, settings.AWS_ENDPOINT_URL, settings.DNS_RESOLVERS = True, "", ()
    output = run_doctor()
    assert "fault  AWS: AWS was not called: SANDBOX is on and no sandbox is running" in output
    assert "?  DNS: DNS wasn't queried: SANDBOX is on, but no sandbox is running" in output


def test_a_missing_site_url_is_a_fault(sandbox: Sandbox, settings: Settings) -> None:
    settings.SITE_URL = ""
    assert "fault  SITE_URL: Not set" in run_doctor()
    settings.SITE_URL = "https://panel.example.com"
    assert "ok  SITE_URL: Links in emails use https://panel.example.com." in run_doctor()


def test_warnings_of_a_deployment_are_faults(sandbox: Sandbox, settings: Settings) -> None:
    settings.SANDBOX = False
    settings.ALLOWED_HOSTS, settings.DEFAULT_FROM_EMAIL = ["localhost"], "x@localhost"
    output = run_doctor()
    assert "All system checks pass" not in output
    assert "fault  Settings: ALLOWED_HOSTS is not set" in output
    assert "fault  Settings: DEFAULT_FROM_EMAIL is not set" in output


def test_secrets_that_no_key_opens_are_a_fault(sandbox: Sandbox, settings: Settings) -> None:
    settings.SEALING_KEY = "the one of before"
    make_endpoint(make_customer(), config={"url": "https://shop.com/hook", "headers": {"X": "secret"}})
    assert "ok  Stored secrets: The keys open what is stored." in run_doctor()
    settings.SEALING_KEY = ""
    output = run_doctor()
    assert "fault  Stored secrets: No key opens the stored secrets of these: endpoints." in output
    settings.SEALING_KEY_FALLBACKS = ["the one of before"]
    assert "ok  Stored secrets" in run_doctor()
