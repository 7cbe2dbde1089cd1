"""The job that sets a domain up, where others act on the same domain meanwhile."""

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
from tests.domains.factories import at_amazon, carry_out_deletion, make_domain, set_up_domain, waiting_jobs
from tests.factories import make_customer, make_user

pytestmark = pytest.mark.django_db


def meanwhile(operation: str, do: Callable[[], object]) -> None:
    """Run `do` once, between SES's answer to the operation and the line that stores it."""
    done: list[bool] = []

    def hear(**_: object) -> None:
        if not done:
            done.append(True)
            do()

    for service in ("ses", "sesv2"):
        aws.client(service).meta.events.register(f"after-call.{service}.{operation}", hear)


@pytest.mark.parametrize("operation", ["CreateEmailIdentity", "VerifyDomainIdentity", "SetIdentityMailFromDomain"])
def test_a_domain_that_is_deleted_while_it_is_set_up_stays_being_deleted(sandbox: Sandbox, operation: str) -> None:
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    meanwhile(
        operation,
        lambda: deletion_services.mark_for_deletion(domain=domain, typed_name="shop.com", actor=make_user()),
    )
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert domain.stage == Stage.DELETING
    carry_out_deletion(domain_id=domain.id)
    assert at_amazon("shop.com") is None
    assert not Domain.objects.filter(pk=domain.pk).exists()
    assert not Change.objects.filter(what="domain.set_up").exists()


def test_a_domain_that_is_deleted_while_its_identity_turns_out_to_exist_asks_for_no_proof(sandbox: Sandbox) -> None:
    aws.client("sesv2").create_email_identity(EmailIdentity="old.com")
    domain = preflight_services.add(text="old.com", customer=make_customer(), actor=None)
    meanwhile(
        "GetEmailIdentity",
        lambda: deletion_services.mark_for_deletion(domain=domain, typed_name="old.com", actor=make_user()),
    )
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert domain.stage == Stage.DELETING
    carry_out_deletion(domain_id=domain.id)
    assert at_amazon("old.com") is not None


def test_a_row_that_is_gone_while_it_is_set_up_is_no_error(sandbox: Sandbox) -> None:
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    meanwhile("CreateEmailIdentity", lambda: Domain.objects.filter(pk=domain.pk).delete())
    identity_services.set_up(domain_id=domain.id)
    assert not Domain.objects.filter(pk=domain.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_on_the_same_domain_set_it_up_once(sandbox: Sandbox) -> None:
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


def test_a_worker_that_comes_late_does_not_spoil_what_another_finished(sandbox: Sandbox) -> None:
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    meanwhile("VerifyDomainIdentity", lambda: identity_services.set_up(domain_id=domain.id))
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.stage_problem) == (Stage.READY, "")
    assert Change.objects.filter(what="domain.set_up").count() == 1


def test_why_it_is_held_up_is_on_the_page_until_it_goes_on(sandbox: Sandbox) -> None:
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    sandbox.control.add_fault("error", "VerifyDomainIdentity", times=3)
    with pytest.raises(AwsUnreachable) as problem:
        identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.stage_problem) == (Stage.STARTING, str(problem.value))
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.stage_problem) == (Stage.READY, "")


def test_a_full_account_is_said_and_not_repeated_within_a_job(sandbox: Sandbox) -> None:
    sandbox.control.set_limits(identities=0)
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    with pytest.raises(AwsProblem, match="an AWS quota is used up"):
        identity_services.set_up(domain_id=domain.id)


@pytest.mark.parametrize("stage", [Stage.CLAIM, Stage.READY, Stage.DELETING])
def test_a_job_that_comes_late_does_nothing(sandbox: Sandbox, stage: Stage) -> None:
    identity_services.set_up(domain_id=make_domain(stage=stage).id)
    identity_services.set_up(domain_id="dom_gone")
    assert sandbox.control.call_counts() == {}


def test_once_set_up_it_is_looked_at_at_once(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    assert domain.next_check_at is not None
    assert waiting_jobs(domain) == ["domains.set_up"]


def test_a_mail_from_name_that_amazon_refuses_hides_no_other_record(sandbox: Sandbox) -> None:
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


def test_a_mail_from_name_that_amazon_refuses_keeps_no_other_setting_from_being_told(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    type(domain).objects.filter(pk=domain.pk).update(mail_from_label="mail", dkim_signing=False)
    sandbox.control.add_fault("denied", "SetIdentityMailFromDomain", times=9)
    with pytest.raises(AwsProblem):
        settings_services.apply_settings(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.ses_dkim_signing, domain.ses_mail_from) == (False, "bounce.shop.com")
