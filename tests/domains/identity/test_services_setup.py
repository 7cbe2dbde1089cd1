"""The setup job of a domain, while others act on the same domain."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from audit.models import Change
from domains.deletion import services as deletion_services
from domains.identity import services as identity_services
from domains.models.domains import Domain, Stage
from domains.preflight import services as preflight_services
from domains.settings import services as settings_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, AwsUnreachable
from sandbox.process import Sandbox
from tests.domains.factories import delete_marked_domain, identity_at_ses, make_domain, set_up_domain, waiting_jobs
from tests.factories import make_customer, make_user

pytestmark = pytest.mark.django_db


def run_after_call(operation: str, do: Callable[[], object]) -> None:
    """Run `do` once, between SES's answer to the operation and the line that stores it."""
    done: list[bool] = []

    def handler(**_: object) -> None:
        if not done:
            done.append(True)
            do()

    for service in ("ses", "sesv2"):
        aws.client(service).meta.events.register(f"after-call.{service}.{operation}", handler)


@pytest.mark.parametrize("operation", ["CreateEmailIdentity", "VerifyDomainIdentity", "SetIdentityMailFromDomain"])
def test_a_domain_deleted_during_its_setup_stays_in_deletion(sandbox: Sandbox, operation: str) -> None:
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    run_after_call(
        operation,
        lambda: deletion_services.mark_for_deletion(domain=domain, typed_name="shop.com", actor=make_user()),
    )
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert domain.stage == Stage.DELETING
    delete_marked_domain(domain_id=domain.id)
    assert identity_at_ses("shop.com") is None
    assert not Domain.objects.filter(pk=domain.pk).exists()
    assert not Change.objects.filter(what="domain.set_up").exists()


def test_a_domain_deleted_while_its_identity_is_found_does_not_become_a_claim(sandbox: Sandbox) -> None:
    aws.client("sesv2").create_email_identity(EmailIdentity="old.com")
    domain = preflight_services.add(text="old.com", customer=make_customer(), actor=None)
    run_after_call(
        "GetEmailIdentity",
        lambda: deletion_services.mark_for_deletion(domain=domain, typed_name="old.com", actor=make_user()),
    )
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert domain.stage == Stage.DELETING
    delete_marked_domain(domain_id=domain.id)
    assert identity_at_ses("old.com") is not None


def test_a_row_deleted_during_setup_is_no_error(sandbox: Sandbox) -> None:
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    run_after_call("CreateEmailIdentity", lambda: Domain.objects.filter(pk=domain.pk).delete())
    identity_services.set_up(domain_id=domain.id)
    assert not Domain.objects.filter(pk=domain.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_set_a_domain_up_once(sandbox: Sandbox) -> None:
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    together = threading.Barrier(2)

    def work() -> None:
        together.wait()
        try:
            identity_services.set_up(domain_id=domain.id)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    domain.refresh_from_db()
    assert (domain.stage, domain.adopted, domain.stage_problem) == (Stage.READY, False, "")
    assert Change.objects.filter(what="domain.set_up").count() == 1


def test_a_late_worker_does_not_undo_a_finished_setup(sandbox: Sandbox) -> None:
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    run_after_call("VerifyDomainIdentity", lambda: identity_services.set_up(domain_id=domain.id))
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.stage_problem) == (Stage.READY, "")
    assert Change.objects.filter(what="domain.set_up").count() == 1


def test_a_failed_setup_stores_its_problem_until_it_succeeds(sandbox: Sandbox) -> None:
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    sandbox.control.add_fault("error", "VerifyDomainIdentity", times=3)
    with pytest.raises(AwsUnreachable) as problem:
        identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.stage_problem) == (Stage.STARTING, str(problem.value))
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.stage_problem) == (Stage.READY, "")


def test_a_used_up_identity_quota_raises_aws_problem(sandbox: Sandbox) -> None:
    sandbox.control.set_limits(identities=0)
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    with pytest.raises(AwsProblem, match="an AWS quota is used up"):
        identity_services.set_up(domain_id=domain.id)


@pytest.mark.parametrize("stage", [Stage.CLAIM, Stage.READY, Stage.DELETING])
def test_a_late_job_does_nothing(sandbox: Sandbox, stage: Stage) -> None:
    identity_services.set_up(domain_id=make_domain(stage=stage).id)
    identity_services.set_up(domain_id="dom_gone")
    assert sandbox.control.call_counts() == {}


def test_setup_schedules_a_check_at_once(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    assert domain.next_check_at is not None
    assert waiting_jobs(domain) == ["domains.set_up"]


def test_a_refused_mail_from_domain_hides_no_other_record(sandbox: Sandbox) -> None:
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    sandbox.control.add_fault("denied", "SetIdentityMailFromDomain", times=9)
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.is_configuring) == (Stage.READY, True)
    keys = {record.key for record in domain.records}
    assert {"identity", "dkim-1", "dkim-2", "dkim-3"} <= keys
    assert "mail-from-mx" not in keys
    with pytest.raises(AwsProblem):
        settings_services.apply_settings(domain_id=domain.id)
    domain.refresh_from_db()
    assert "MAIL FROM" in domain.stage_problem
    sandbox.control.clear_faults()
    settings_services.apply_settings(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.is_configuring, domain.stage_problem) == (False, "")


def test_a_refused_mail_from_domain_does_not_block_other_settings(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    type(domain).objects.filter(pk=domain.pk).update(mail_from_label="mail", dkim_signing=False)
    sandbox.control.add_fault("denied", "SetIdentityMailFromDomain", times=9)
    with pytest.raises(AwsProblem):
        settings_services.apply_settings(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.ses_dkim_signing, domain.ses_mail_from) == (False, "bounce.shop.com")
