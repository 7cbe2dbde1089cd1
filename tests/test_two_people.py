"""A button acts only on what its page showed: not on what somebody else has made of it since the page was opened."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import User
from domains.announcements.services import set_notice
from domains.models.domains import Domain
from domains.models.sharing import ShareLink
from domains.overrides import services as overrides_services
from domains.ownership.core import ClaimReason
from domains.ownership_claims import services as ownership_claims_services
from domains.settings import services as settings_services
from domains.settings.services import DesiredSettings, change_and_wait
from domains.sharing.services import create as create_link
from inbound_admin.lib.errors import ChangedMeanwhile, NotAllowed
from operations.domain_removal.services import request_removal
from operations.models import Batch
from public_api.domains.services import configure_mail_from
from receipt_rules.addresses import services as addresses_services
from receipt_rules.models.addresses import Address
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member, make_user
from tests.receipt_rules.factories import make_address, make_verified

pytestmark = pytest.mark.django_db
TOLD = "somebody else made changes after you opened this page"


@dataclass(frozen=True)
class Stale:
    """`before`: what the page shows. `since`: what somebody else does then. `form` is what is sent from the page."""

    do: str
    since: Callable[[Domain, User], object]
    before: Callable[[Domain, User], object] = lambda domain, sam: None
    form: Mapping[str, str] | None = None
    page: str = "domains:support"


def hold(because: str) -> Callable[[Domain, User], object]:
    return lambda domain, sam: overrides_services.hold(domain=domain, because=because, actor=sam)


def hold_again(domain: Domain, sam: User) -> None:
    overrides_services.release(domain=domain, actor=sam)
    overrides_services.hold(domain=domain, because="It sends phishing.", actor=sam)


def override(state: str) -> Callable[[Domain, User], object]:
    until = timezone.now() + timedelta(days=3)

    def of(domain: Domain, sam: User) -> None:
        overrides_services.override_state(domain=domain, state=state, because="x", until=until, actor=sam)

    return of


def expect(host: str) -> Callable[[Domain, User], object]:
    def of(domain: Domain, sam: User) -> None:
        overrides_services.expect_record(domain=domain, key="inbound-mx", value=host, because="x", actor=sam)

    return of


def move(domain: Domain, sam: User) -> None:
    overrides_services.transfer(domain=domain, to=make_customer("Carol"), because="Sold", actor=sam)


def claim(domain: Domain, sam: User) -> None:
    Domain.objects.filter(pk=domain.pk).update(stage="starting", proven_at=None)
    ownership_claims_services.require_proof(Domain.objects.get(pk=domain.pk), ClaimReason.RELATED)


def until() -> str:
    return f"{timezone.now() + timedelta(days=2):%Y-%m-%dT%H:%M}"


def add_address(domain: Domain, sam: User) -> None:
    addresses_services.add_address(text="new@shop.com", customer=domain.customer, actor=None)


WHY = "They asked."
ALL = (
    Stale("transfer", move, form={"transfer-customer": "Bob", "transfer-because": WHY}),
    Stale("hold", move, form={"hold-because": "Alice sends phishing."}),
    Stale("release", hold_again, hold("They pay late.")),
    Stale(
        "override",
        override("wrong"),
        form={"override-state": "verified", "override-until": until(), "override-because": WHY},
    ),
    Stale("end_override", override("wrong"), override("verified")),
    Stale("expect", expect("mx.example.net"), form={"expect-key": "inbound-mx", "expect-because": WHY}),
    Stale("expect_no_more", expect("mx.example.net"), expect("mx.example.org"), {"expect_no_more-key": "inbound-mx"}),
    Stale("approve", move, claim, {"approve-because": "I know them."}),
    Stale("", move, form={"name": "shop.com"}, page="operations:delete_domain"),
    Stale("", add_address, form={"name": "shop.com"}, page="operations:delete_domain"),
)


@pytest.fixture
def olga(client: Client) -> User:
    viewer = make_user(email="olga@ops.example", is_superuser=True, is_staff=True)
    client.force_login(viewer)
    return viewer


def sent_from(page: str, do: str) -> dict[str, str]:
    """Return the hidden fields of the form with the button."""
    forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", page, re.DOTALL)
    (form,) = [each for each in forms if f'name="{"do" if do else "name"}" value="{do}"' in each]
    hidden = [re.findall(r'(name|value)="([^"]*)"', tag) for tag in re.findall(r'<input type="hidden"[^>]*>', form)]
    return {pair["name"]: pair.get("value", "") for pair in map(dict, hidden) if "csrf" not in pair["name"]}


def stored() -> tuple[Any, ...]:
    return (*Domain.objects.order_by("pk").values(), *Address.objects.values())


@pytest.mark.parametrize("stale", ALL, ids=lambda each: f"{each.do} {each.since.__name__}")
def test_a_button_of_a_page_that_is_out_of_date_changes_nothing(
    client: Client, olga: User, sandbox: Sandbox, stale: Stale
) -> None:
    domain, sam = make_verified("shop.com", customer=make_customer("Alice Ltd")), make_user(is_superuser=True)
    make_customer("Bob")
    stale.before(domain, sam)
    url = reverse(stale.page, args=[domain.pk])
    sent = {**sent_from(client.get(url).text, stale.do), **(stale.form or {})}
    stale.since(Domain.objects.get(), sam)
    known = stored()
    answer = client.post(url, sent, follow=True)
    assert stored() == known
    assert TOLD in answer.text


@pytest.mark.parametrize("stale", ALL, ids=lambda each: f"{each.do} {each.since.__name__}")
def test_a_button_of_a_page_that_is_up_to_date_works(
    client: Client, olga: User, sandbox: Sandbox, stale: Stale
) -> None:
    domain, sam = make_verified("shop.com", customer=make_customer("Alice Ltd")), make_user(is_superuser=True)
    make_customer("Bob")
    stale.before(domain, sam)
    url, known = reverse(stale.page, args=[domain.pk]), stored()
    sent = {**sent_from(client.get(url).text, stale.do), **(stale.form or {})}
    assert TOLD not in client.post(url, sent, follow=True).text
    assert stored() != known


@pytest.mark.parametrize(
    ("kind", "form"), [("transfer", {"customer": "Bob", "because": WHY}), ("delete", {"typed": "1"})]
)
def test_a_bulk_action_of_a_preview_that_is_out_of_date_starts_nothing(
    client: Client, olga: User, kind: str, form: dict[str, str]
) -> None:
    domain, url = make_verified("shop.com", customer=make_customer("Alice Ltd")), reverse("operations:start_bulk")
    make_customer("Bob")
    page = client.post(url, {"do": kind, "names": "shop.com"}).text
    sent = sent_from(page, kind) | form
    move(domain, make_user(is_superuser=True))
    answer = client.post(url, sent)
    assert answer.status_code == 422
    assert TOLD in answer.text
    assert not Batch.objects.exists()
    client.post(url, sent_from(answer.text, kind) | form)
    assert Batch.objects.get().kind == kind


def test_a_confirmed_transfer_in_the_admin_leaves_out_what_was_transferred_meanwhile(
    client: Client, olga: User
) -> None:
    domain, bob = make_verified("shop.com", customer=make_customer("Alice Ltd")), make_customer("Bob")
    url = reverse("admin:domains_domain_changelist")
    sent = {"action": "transfer", "_selected_action": domain.pk, "customer": bob.pk, "because": WHY}
    shown = re.findall(r'name="shown" value="([^"]+)"', client.post(url, sent).text)
    move(domain, make_user(is_superuser=True))
    answer = client.post(url, {**sent, "confirmed": "yes", "shown": shown}, follow=True)
    assert TOLD in answer.text
    assert Domain.objects.get().customer.name == "Carol"


def test_an_address_of_a_domain_that_has_just_moved_is_not_removed_by_its_former_customer() -> None:
    alice = make_customer("Alice Ltd")
    domain, member = make_verified("shop.com", customer=alice), make_member(alice)
    address = Address.objects.select_related("domain__customer").get(pk=make_address("a@shop.com", domain).pk)
    move(domain, make_user(is_superuser=True))
    with pytest.raises(NotAllowed):
        addresses_services.remove_address(address=address, actor=member)
    assert Address.objects.exists()


@pytest.mark.parametrize("act", ["delete", "settings", "change", "mail_from", "auth", "keys", "share", "notice"])
def test_a_domain_that_has_just_moved_is_left_alone_by_its_former_customer(sandbox: Sandbox, act: str) -> None:
    alice = make_customer("Alice Ltd")
    domain, member = make_verified("shop.com", customer=alice, mail_from_label=""), make_member(alice)
    found = Domain.objects.get(pk=domain.pk)
    move(domain, make_user(is_superuser=True))
    wanted = DesiredSettings(**settings_services.shown_values(found) | {"dkim_signing": False})
    acts: dict[str, Callable[[], object]] = {
        "delete": lambda: request_removal(domain=found, typed_name="shop.com", actor=member),
        "settings": lambda: settings_services.configure(domain=found, desired=wanted, actor=member),
        "change": lambda: settings_services.change(domain=found, actor=member, dkim_signing=False),
        "mail_from": lambda: configure_mail_from(domain=found, name="post", actor=member),
        "auth": lambda: change_and_wait(domain=found, mail_from="post", spf=None, dmarc=None, actor=member),
        "keys": lambda: settings_services.rotate_dkim(domain=found, because="It leaked.", actor=member),
        "share": lambda: create_link(domain=found, actor=member),
        "notice": lambda: set_notice(domain=found, person=member, wanted=True),
    }
    known = stored()
    with pytest.raises(ChangedMeanwhile):
        acts[act]()
    assert stored() == known
    assert not ShareLink.objects.exists()
