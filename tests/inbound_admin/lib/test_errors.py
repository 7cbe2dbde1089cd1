"""The text of an AWS problem depends on the reader: staff see the missing permission, customers the consequence."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import User
from domains.identity import services as identity_services
from domains.models.domains import Domain
from domains.preflight import services as preflight_services
from inbound_admin.lib.errors import DENIED, NO_PERMISSION, NOT_CONFIGURED, QUOTA_USED, AwsDenied, aws_sentence
from sandbox.process import Sandbox
from tests.api_client import api_of, expire_waits, ok
from tests.factories import make_customer, make_member, make_staff

STAFF, CUSTOMER = User(is_staff=True), User()
MISSING = "Our credentials lack the permission ses:CreateEmailIdentity. Add it to their IAM policy."
MEANS = "Amazon refused our request. Only our team can fix this."


@pytest.mark.parametrize(
    ("why", "means"),
    [
        (NO_PERMISSION.format(needs="ses:CreateEmailIdentity", code="AccessDeniedException"), MEANS),
        (DENIED.format(code="ExpiredToken"), MEANS),
        ("AWS denied access. An operator must check our credentials. (AccessDenied)", MEANS),  # stored before
        (NOT_CONFIGURED.format(error="Unable to locate credentials"), MEANS),
        (QUOTA_USED.format(code="LimitExceeded"), "our AWS quota is used up. Only our team can fix this."),
        ("AWS isn't responding. This page may be out of date. Try again in a minute.", ""),
    ],
)
def test_customers_read_the_consequence_and_staff_the_full_error(why: str, means: str) -> None:
    sentence = f"We couldn't create the identity: {why}"
    assert aws_sentence(sentence, to=STAFF) == sentence
    assert (
        aws_sentence(sentence, to=CUSTOMER)
        == aws_sentence(sentence, to=None)
        == f"We couldn't create the identity: {means or why}"
    )


def test_a_retried_call_does_not_ask_to_try_again() -> None:
    sentence = (
        "We couldn't read it: AWS isn't responding. This page may be out of date. Try again in a minute. And more."
    )
    assert aws_sentence(sentence, to=STAFF, retried=True) == "We couldn't read it: AWS isn't responding. And more."


def test_a_key_without_the_staff_scope_reads_as_a_customer() -> None:
    person = User(is_staff=True)
    person.staff_rights = False
    assert aws_sentence(DENIED.format(code="AccessDenied"), to=person) == MEANS


def _denied(sandbox: Sandbox) -> Domain:
    """Return Alice's domain, for whose identity we lack the permission."""
    domain = preflight_services.add(text="shop.com", customer=make_customer("Alice Ltd"), actor=None)
    sandbox.control.add_fault("denied", "CreateEmailIdentity", times=None)
    with pytest.raises(AwsDenied):
        identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    return domain


@pytest.mark.django_db
def test_the_page_names_the_missing_permission_only_to_staff(sandbox: Sandbox) -> None:
    domain = _denied(sandbox)
    assert MISSING in domain.stage_problem
    alice, sam = Client(), Client()
    alice.force_login(make_member(domain.customer))
    sam.force_login(make_staff())
    own, staffs = (each.get(reverse("domains:detail", args=[domain.id])).text for each in (alice, sam))
    assert (MEANS in own, "permission" in own, "operator" in own) == (True, False, False)
    assert MISSING in staffs
    assert MISSING in sam.get(reverse("operations:case", args=[domain.id])).text


@pytest.mark.django_db
def test_the_api_shows_a_customer_the_consequence(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    expire_waits(monkeypatch)
    domain = _denied(sandbox)
    alice = api_of(make_member(domain.customer))
    body = ok(alice.post(f"/api/v2/domains/{domain.id}/auth", {}), 201)
    assert MEANS in body["message"]
    assert "permission" not in body["message"]
