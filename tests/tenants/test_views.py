import logging
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import (
    SECRET_SESSION_KEY,
    format_hotp_value,
    hotp_value,
)
from django.core import mail
from django.db import connection
from django.db.utils import IntegrityError
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from changes.models import Change
from tenants.core.roles import Role
from tenants.forms import SignInForm
from tenants.models import Customer, Invitation, MemberRole, Membership, User
from tenants.services.invitations import invite
from tenants.views import accepting
from tests.factories import make_customer, make_member, make_staff, make_user

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
PASSWORD = "a long sentence that nobody else says"


@pytest.fixture
def acme() -> Customer:
    return make_customer("Acme")


@pytest.fixture
def alice(acme: Customer) -> User:
    return make_member(acme, email="alice@acme.example")


@pytest.fixture
def bob() -> User:
    return make_member(make_customer("Bob's Shop"), email="bob@bob.example")


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def url(name: str, *args: object) -> str:
    return reverse(f"tenants:{name}", args=args)


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def path_of_link(customer: Customer, actor: User, email: str = "carol@acme.example") -> str:
    site = "http://testserver/"
    sent = invite(customer=customer, email=email, role=MemberRole.MEMBER, actor=actor, site_url=site)
    return sent.link.removeprefix("http://testserver")


def pages_of(customer: Customer) -> list[tuple[str, str]]:
    """Every page and act about one customer: its method and address."""
    membership = customer.memberships.first()
    invitation = Invitation.objects.filter(customer=customer).first()
    assert membership is not None
    assert invitation is not None
    return [
        ("get", url("detail", customer.pk)),
        ("get", url("history", customer.pk)),
        ("get", url("rename", customer.pk)),
        ("post", url("rename", customer.pk)),
        ("post", url("invite", customer.pk)),
        ("get", url("member", customer.pk, membership.pk)),
        ("post", url("member", customer.pk, membership.pk)),
        ("post", url("invitation", customer.pk, invitation.pk)),
    ]


# --- who sees what -----------------------------------------------------------------------------------------------


def test_bob_finds_nothing_of_alices_under_any_address(acme: Customer, alice: User, bob: User) -> None:
    path_of_link(acme, alice)
    before = Change.objects.count()
    for method, address in pages_of(acme):
        response = getattr(signed_in(bob), method)(address, {"do": "remove", "name": "Mine", "email": "b@b.example"})
        assert response.status_code == 404, address
        assert "Acme" not in text(response)
    assert Change.objects.count() == before


def test_bob_cannot_reach_alices_members_or_invitations_through_his_own_customer(
    acme: Customer, alice: User, bob: User
) -> None:
    path_of_link(acme, alice)
    his, client = bob.customers.get(), signed_in(bob)
    member = url("member", his.pk, alice.memberships.get().pk)
    invitation = url("invitation", his.pk, Invitation.objects.get().pk)
    assert client.post(member, {"do": "remove"}).status_code == 404
    assert client.post(invitation, {"do": "revoke"}).status_code == 404


def test_nobody_who_is_not_signed_in_sees_anything_but_the_sign_in(acme: Customer, alice: User) -> None:
    path_of_link(acme, alice)
    addresses = [("get", url(name)) for name in ("list", "create", "account")]
    for method, address in addresses + pages_of(acme):
        response = getattr(Client(), method)(address)
        assert (response.status_code, response.headers["Location"].partition("?")[0]) == (302, "/accounts/login/")


def test_the_list_of_a_person_shows_their_own_alone(acme: Customer, alice: User, bob: User) -> None:
    assert signed_in(alice).get(url("list")).headers["Location"] == url("detail", acme.pk)
    Membership.objects.create(customer=make_customer("Second"), user=alice)
    page = text(signed_in(alice).get(url("list")))
    assert "Acme" in page
    assert "Second" in page
    assert "Bob&#x27;s Shop" not in page
    assert "New customer" not in page


def test_who_belongs_to_nothing_is_told_whom_to_ask() -> None:
    assert "You belong to no organisation" in text(signed_in(make_user()).get(url("list")))


def test_a_search_of_alice_finds_nothing_of_bobs(alice: User, bob: User) -> None:
    page = text(signed_in(alice).get(url("list"), {"q": "bob"}))
    assert "No customer matches “bob”" in page


# --- the list of staff -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["acm", "ALICE@acme", "id"])
def test_support_finds_a_customer_by_name_member_or_id(acme: Customer, alice: User, bob: User, words: str) -> None:
    page = text(signed_in(make_staff()).get(url("list"), {"q": acme.pk if words == "id" else words}))
    assert "Acme" in page
    assert "Bob&#x27;s Shop" not in page


def test_the_search_swaps_the_results_alone(acme: Customer) -> None:
    part = text(signed_in(make_staff()).get(url("list"), {"q": "acme"}, headers=HTMX))
    assert part.lstrip().startswith('<div id="results"')
    assert "<html" not in part


def test_the_list_has_pages() -> None:
    for number in range(60):
        make_customer(f"Customer {number:02}")
    client = signed_in(make_staff())
    assert "Customer 49" in text(client.get(url("list")))
    assert "Customer 50" in text(client.get(url("list"), {"page": "2"}))
    assert "51 to 60 of" in text(client.get(url("list"), {"page": "99"}))


def queries(client: Client, address: str) -> int:
    client.get(address)  # what is remembered is remembered now
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_rows_cost_no_queries_of_their_own(acme: Customer, alice: User) -> None:
    sam = signed_in(make_staff())
    addresses = [url("list"), url("detail", acme.pk), url("history", acme.pk)]
    path_of_link(acme, alice, "first@acme.example")
    few = [queries(sam, address) for address in addresses]
    for number in range(20):
        make_member(acme)
        make_member(make_customer())
        path_of_link(acme, alice, f"more{number}@acme.example")
    assert [queries(sam, address) for address in addresses] == few


# --- creating and renaming ---------------------------------------------------------------------------------------


def test_support_creates_a_customer_and_gets_the_owners_link_once() -> None:
    sam = signed_in(make_staff())
    form = text(sam.get(url("create")))
    found = re.search(r'name="customer_id" value="(cus_\w+)"', form)
    assert found
    given = {"name": "New Ltd", "owner": "owner@new.example", "customer_id": found[1]}
    page = sam.post(url("create"), given)
    link = re.search(r"http://testserver/customers/invitation/([\w-]+)/", text(page))
    assert link
    assert link[0] in mail.outbox[0].body
    assert "no-store" in page.headers["Cache-Control"]
    assert Invitation.objects.get().role == MemberRole.OWNER
    assert link[1] not in text(sam.get(url("detail", found[1])))


def test_the_form_sent_twice_creates_one_customer() -> None:
    sam, given = signed_in(make_staff()), {"name": "New Ltd", "customer_id": "cus_" + "1" * 20}
    assert sam.post(url("create"), given).headers["Location"] == sam.post(url("create"), given).headers["Location"]
    assert Customer.objects.count() == 1


def warned_of(page: str) -> str:
    found = re.search(r'name="warned_of" value="([^"]*)"', page)
    assert found
    return found[1]


def test_a_name_that_another_customer_has_is_warned_of_once(acme: Customer) -> None:
    sam, given = signed_in(make_staff()), {"name": " aCME ", "customer_id": "cus_" + "1" * 20}
    warned = sam.post(url("create"), given)
    assert warned.status_code == 422
    said = f"There is a customer of that name already ({acme.pk}). Press again to create another."
    assert said in text(warned)
    assert Customer.objects.count() == 1
    again = sam.post(url("create"), given | {"warned_of": warned_of(text(warned))})
    assert again.headers["Location"] == url("detail", given["customer_id"])
    assert Customer.objects.count() == 2


def test_a_warning_about_one_name_is_none_about_the_next(acme: Customer) -> None:
    make_customer("Bob's Shop")
    given = {"name": "Bob's Shop", "warned_of": "Acme"}
    assert "Press again to create another." in text(signed_in(make_staff()).post(url("create"), given))
    assert Customer.objects.count() == 2


def test_a_form_with_mistakes_comes_back_with_what_was_typed() -> None:
    response = signed_in(make_staff()).post(url("create"), {"name": "", "owner": "nonsense"})
    assert response.status_code == 422
    assert "This field is required." in text(response)
    assert 'value="nonsense"' in text(response)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.TRUST_AND_SAFETY, None])
def test_others_do_not_create_customers(role: Role | None, alice: User) -> None:
    client = signed_in(make_staff(role) if role else alice)
    assert client.get(url("create")).status_code == 403
    assert client.post(url("create"), {"name": "X"}).status_code == 403
    assert Customer.objects.count() == 1


def test_an_owner_renames_and_a_member_does_not(acme: Customer, alice: User) -> None:
    member = signed_in(make_member(acme, role=MemberRole.MEMBER))
    assert member.get(url("rename", acme.pk)).status_code == 403
    assert member.post(url("rename", acme.pk), {"name": "Mine"}).status_code == 403
    page = signed_in(alice).post(url("rename", acme.pk), {"name": "Acme Ltd"}, follow=True)
    assert "The name is now Acme Ltd." in text(page)
    assert signed_in(alice).post(url("rename", acme.pk), {"name": ""}).status_code == 422


# --- people of a customer ----------------------------------------------------------------------------------------


def test_a_member_sees_the_members_and_may_leave_but_invites_nobody(acme: Customer, alice: User) -> None:
    path_of_link(acme, alice, "secret@acme.example")
    carol = make_member(acme, role=MemberRole.MEMBER, email="carol@acme.example")
    client = signed_in(carol)
    page = text(client.get(url("detail", acme.pk)))
    assert "alice@acme.example" in page
    assert "Leave…" in page
    assert "Send the invitation" not in page
    assert "secret@acme.example" not in page
    assert client.post(url("invite", acme.pk), {"email": "x@x.example", "role": "member"}).status_code == 403
    assert client.get(url("member", acme.pk, alice.memberships.get().pk)).status_code == 404
    left = client.post(url("member", acme.pk, carol.memberships.get().pk), {"do": "remove"})
    assert left.status_code == 302
    assert client.get(url("detail", acme.pk)).status_code == 404


def test_a_member_does_not_make_themselves_an_owner(acme: Customer, alice: User) -> None:
    carol = make_member(acme, role=MemberRole.MEMBER)
    own = url("member", acme.pk, carol.memberships.get().pk)
    assert signed_in(carol).post(own, {"do": "role", "role": "owner"}).status_code == 403
    assert carol.memberships.get().role == MemberRole.MEMBER


def test_an_owner_invites_without_javascript_and_never_sees_the_link(acme: Customer, alice: User) -> None:
    given = {"email": "carol@acme.example", "role": "owner"}
    response = signed_in(alice).post(url("invite", acme.pk), given, follow=True)
    page = text(response)
    assert response.redirect_chain == [(url("detail", acme.pk), 302)]
    assert "carol@acme.example was sent an invitation, good until" in page
    assert "/customers/invitation/" not in page
    assert "/customers/invitation/" in mail.outbox[0].body


def chosen_role(page: str) -> str:
    found = re.search(r'<option value="(\w+)" selected', page)
    assert found
    return found[1]


def test_the_first_who_is_invited_is_an_owner_unless_said_otherwise(acme: Customer, alice: User) -> None:
    sam, empty = signed_in(make_staff()), make_customer()
    assert chosen_role(text(sam.get(url("detail", empty.pk)))) == "owner"
    make_member(empty, role=MemberRole.MEMBER)
    assert chosen_role(text(sam.get(url("detail", empty.pk)))) == "owner"
    assert chosen_role(text(sam.get(url("detail", acme.pk)))) == "member"


def test_an_invitation_by_htmx_swaps_the_people(acme: Customer, alice: User) -> None:
    given = {"email": "carol@acme.example", "role": "member"}
    part = text(signed_in(alice).post(url("invite", acme.pk), given, headers=HTMX))
    assert part.lstrip().startswith('<div id="people"')
    assert "carol@acme.example was sent an invitation" in part
    assert "Open invitations" in part


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize(
    ("email", "sentence"),
    [
        ("nonsense", "Enter a valid email address."),
        ("alice@acme.example", "alice@acme.example belongs to Acme already."),
    ],
)
def test_who_cannot_be_invited_is_said_at_the_field(
    acme: Customer, alice: User, headers: dict[str, str], email: str, sentence: str
) -> None:
    response = signed_in(alice).post(url("invite", acme.pk), {"email": email, "role": "member"}, headers=headers)
    assert response.status_code == 422
    assert sentence in text(response)
    assert not mail.outbox


def test_an_invitation_that_could_not_be_mailed_is_no_success(
    acme: Customer, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> int:
        raise SMTPServerDisconnected("gone")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", unreachable)
    given = {"email": "carol@acme.example", "role": "member"}
    page = text(signed_in(alice).post(url("invite", acme.pk), given, follow=True))
    assert "its e-mail could not be sent. Send it again a little later." in page


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_an_invitation_is_sent_again_or_withdrawn(acme: Customer, alice: User, headers: dict[str, str]) -> None:
    old, client = path_of_link(acme, alice), signed_in(alice)
    client.post(url("invitation", acme.pk, Invitation.objects.get().pk), {"do": "resend"}, headers=headers)
    assert len(mail.outbox) == 2
    assert Client().get(old).status_code == 410
    newest = Invitation.objects.filter(revoked_at=None).get()
    done = client.post(url("invitation", acme.pk, newest.pk), {"do": "revoke"}, headers=headers, follow=not headers)
    assert "The invitation of carol@acme.example was withdrawn." in text(done)
    assert not Invitation.objects.filter(revoked_at=None).exists()
    assert client.post(url("invitation", acme.pk, newest.pk), {"do": "revoke"}, headers=headers).status_code == 404


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_an_owner_changes_a_role_and_removes_a_member(acme: Customer, alice: User, headers: dict[str, str]) -> None:
    carol = make_member(acme, role=MemberRole.MEMBER, email="carol@acme.example")
    address, client = url("member", acme.pk, carol.memberships.get().pk), signed_in(alice)
    assert "Remove carol@acme.example from Acme?" in text(client.get(address))
    plain = not headers
    changed = client.post(address, {"do": "role", "role": "owner"}, headers=headers, follow=plain)
    assert "carol@acme.example is now an owner." in text(changed)
    removed = client.post(address, {"do": "remove"}, headers=headers, follow=plain)
    assert "carol@acme.example was removed from Acme." in text(removed)
    assert list(acme.members.all()) == [alice]


def test_the_last_owner_reads_why_they_cannot_leave(acme: Customer, alice: User) -> None:
    response = signed_in(alice).post(url("member", acme.pk, alice.memberships.get().pk), {"do": "remove"})
    assert response.status_code == 422
    assert "alice@acme.example is the last owner of Acme. Make somebody else an owner first." in text(response)


def test_an_act_that_names_nothing_is_refused(acme: Customer, alice: User) -> None:
    path_of_link(acme, alice)
    client = signed_in(alice)
    assert client.post(url("invitation", acme.pk, Invitation.objects.get().pk)).status_code == 422
    assert client.post(url("member", acme.pk, alice.memberships.get().pk)).status_code == 422


def test_the_history_says_who_did_what_in_words(acme: Customer, alice: User) -> None:
    client = signed_in(alice)
    assert "Nothing has happened yet" in text(client.get(url("history", acme.pk)))
    client.post(url("rename", acme.pk), {"name": "Acme Ltd"})
    page = text(client.get(url("history", acme.pk)))
    assert "Changed the name" in page
    assert "<del>Acme</del>" in page
    assert "<ins>Acme Ltd</ins>" in page


# --- the page behind the link ------------------------------------------------------------------------------------


def test_somebody_new_sets_a_password_and_is_in(acme: Customer, alice: User) -> None:
    link, client = path_of_link(acme, alice), Client()
    assert "Join Acme" in text(client.get(link))
    joined = client.post(link, {"name": "Carol", "password": PASSWORD})
    assert joined.headers["Location"] == url("detail", acme.pk)
    assert client.get(url("detail", acme.pk)).status_code == 200
    fresh = Client()
    fresh.post(reverse("account_login"), {"login": "carol@acme.example", "password": PASSWORD})
    assert fresh.get(url("detail", acme.pk)).status_code == 200


def test_looking_at_the_link_changes_nothing(acme: Customer, alice: User) -> None:
    link, carol = path_of_link(acme, alice), make_user(email="carol@acme.example")
    signed_in(carol).get(link)
    Client().head(link)
    assert Invitation.objects.get().accepted_at is None


@pytest.mark.parametrize("password", ["q7f!", "carol@acme.example", "1234567890123"])
def test_a_weak_password_is_refused_at_the_field(acme: Customer, alice: User, password: str) -> None:
    response = Client().post(path_of_link(acme, alice), {"name": "Carol", "password": password})
    assert response.status_code == 422
    assert not User.objects.filter(email="carol@acme.example").exists()
    assert f'type="password" value="{password}"' not in text(response)
    assert 'id="id_password_error"' in text(response)


def test_somebody_with_an_account_signs_in_and_comes_back_to_accept(acme: Customer, alice: User) -> None:
    make_user(email="carol@acme.example", password=PASSWORD)
    link, client = path_of_link(acme, alice), Client()
    page = text(client.get(link))
    assert f'href="/accounts/login/?next={link}"' in page
    assert 'type="password"' not in page
    assert client.post(link, {"name": "Carol", "password": "stolen by the link"}).status_code == 422
    back = client.post(f"/accounts/login/?next={link}", {"login": "carol@acme.example", "password": PASSWORD})
    assert back.headers["Location"] == link
    assert client.post(link).headers["Location"] == url("detail", acme.pk)


def test_the_wrong_person_can_sign_out_and_open_it_again(acme: Customer, alice: User, bob: User) -> None:
    link, client = path_of_link(acme, alice), signed_in(bob)
    for response in (client.get(link), client.post(link)):
        assert response.status_code == 403
        assert "This invitation is for carol@acme.example, and you are signed in as bob@bob.example." in text(response)
    assert client.post(reverse("account_logout"), {"next": link}).headers["Location"] == link
    assert "Choose a password" in text(client.get(link))


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ("accepted_at", "This invitation was used already."),
        ("revoked_at", "This invitation was withdrawn or replaced."),
        ("expires_at", "This invitation has expired"),
    ],
)
def test_a_link_that_is_over_says_why(acme: Customer, alice: User, column: str, sentence: str) -> None:
    link = path_of_link(acme, alice)
    Invitation.objects.update(**{column: timezone.now() - timedelta(seconds=1)})
    for response in (Client().get(link), Client().post(link, {"name": "C", "password": PASSWORD})):
        assert response.status_code == 410
        assert sentence in text(response)


def test_a_link_that_is_not_ours_is_unknown() -> None:
    response = Client().get(url("accept", "made-up"))
    assert response.status_code == 404
    assert "We do not know this link." in text(response)


def all_answers(acme: Customer, alice: User) -> Iterator[HttpResponse]:
    link = path_of_link(acme, alice)
    yield Client().get(link)  # type: ignore[misc]  # the client's own kind of response
    yield Client().get(url("accept", "made-up"))  # type: ignore[misc]  # as above
    yield Client().post(link, {"name": "Carol", "password": PASSWORD})  # type: ignore[misc]  # as above


def test_the_link_is_kept_out_of_referers_caches_and_search_engines(acme: Customer, alice: User) -> None:
    for response in all_answers(acme, alice):
        assert response.headers["Referrer-Policy"] == "strict-origin"
        assert response.headers["X-Robots-Tag"] == "noindex, nofollow"
        assert "no-store" in response.headers["Cache-Control"]


def test_guessing_links_is_slowed_down_for_looks_as_well() -> None:
    client = Client()
    for _ in range(30):
        assert client.get(url("accept", "guess")).status_code == 404
    response = client.get(url("accept", "guess"))
    assert (response.status_code, response.headers["Retry-After"]) == (429, "60")
    assert "That was a little too fast." in text(response)
    assert Client(REMOTE_ADDR="127.0.0.2").get(url("accept", "guess")).status_code == 404


def test_no_log_names_the_secret_of_a_link(
    acme: Customer, alice: User, bob: User, caplog: pytest.LogCaptureFixture
) -> None:
    link = path_of_link(acme, alice)
    secret = link.rstrip("/").rpartition("/")[2]
    with caplog.at_level(logging.DEBUG):
        answers = [
            Client().post(link, {"name": "Carol", "password": "q7f!"}),
            signed_in(bob).get(link),
            Client(enforce_csrf_checks=True).post(link),
            Client().put(link),
            *(Client().get(link) for _ in range(31)),
        ]
    assert {answer.status_code for answer in answers} == {422, 403, 405, 200, 429}
    for reason in ("Unprocessable", "Forbidden: ", "Forbidden (CSRF", "Method Not Allowed", "Too Many Requests"):
        assert any(line.startswith(reason) and line.endswith("/invitation/***/") for line in caplog.messages), reason
    for record in caplog.records:
        assert secret not in f"{record.getMessage()} {record.__dict__}"


@pytest.mark.parametrize(("proxies", "third"), [(1, 404), (0, 429)])
def test_behind_a_proxy_each_client_has_an_allowance_of_its_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, proxies: int, third: int
) -> None:
    monkeypatch.setitem(accepting.RATES, "accept_invitation", "2/m/ip")
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    statuses = [
        Client().get(url("accept", "guess"), headers={"X-Forwarded-For": f"10.9.9.9, 10.0.0.{number}"}).status_code
        for number in range(3)
    ]
    assert statuses == [404, 404, third]


def test_a_link_cannot_be_accepted_from_another_site(acme: Customer, alice: User) -> None:
    carol, link = make_user(email="carol@acme.example"), path_of_link(acme, alice)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(carol)
    assert strict.post(link).status_code == 403


# --- one's own account -------------------------------------------------------------------------------------------


def test_a_person_sets_name_theme_and_shortcuts(alice: User) -> None:
    client = signed_in(alice)
    page = text(client.get(url("account")))
    for name in ("account_change_password", "account_email", "mfa_index"):
        assert f'href="{reverse(name)}"' in page
    saved = client.post(url("account"), {"name": "Alice A.", "theme": "dark"}, follow=True)
    assert "Saved." in text(saved)
    assert 'data-theme="dark"' in text(saved)
    alice.refresh_from_db()
    assert (str(alice), alice.theme, alice.shortcuts) == ("Alice A.", "dark", False)


def test_the_sign_in_says_e_mail_address_whatever_is_wrong(alice: User) -> None:
    for given in ({"login": "", "password": PASSWORD}, {"login": alice.email, "password": "not hers"}):
        page = text(Client().post(reverse("account_login"), given))
        assert "We could not sign you in" in page
        assert "e-mail address" in page.lower()
        assert not re.search(r"\bemail address|>Email|Email:", page, re.IGNORECASE)


def test_the_sandboxs_sign_in_buttons_stay_on_one_line() -> None:
    shown = {"who": "Alice, who owns Acme", "email": "alice@acme.example", "password": "demo"}
    page = render_to_string("account/login.html", {"demo_accounts": [shown], "form": SignInForm()})
    button = re.search(r'<button[^>]*aria-label="Sign in as Alice[^>]*>', page)
    assert button
    assert "whitespace-nowrap" in button[0]


def test_signing_in_and_out_is_said_in_our_words(alice: User) -> None:
    client = Client()
    given = {"login": alice.email, "password": "correct horse battery", "next": url("account")}
    assert "You are signed in." in text(client.post(reverse("account_login"), given, follow=True))
    left = client.post(reverse("account_logout"), {"next": reverse("account_login")}, follow=True)
    assert "You are signed out." in text(left)


def test_the_only_address_cannot_be_removed_and_a_second_one_can(alice: User) -> None:
    client, page_of_addresses = signed_in(alice), reverse("account_email")
    page = text(client.get(page_of_addresses))
    assert "<title>E-mail address ·" in page
    assert "action_remove" not in page
    added = text(client.post(page_of_addresses, {"email": "second@acme.example", "action_add": ""}, follow=True))
    assert "A link is on its way to second@acme.example." in added
    assert added.count("action_remove") == 1
    assert "Remove second@acme.example" in added


def test_a_password_is_asked_for_again_in_our_words(alice: User) -> None:
    client = signed_in(alice)
    page = text(client.get(reverse("account_reauthenticate")))
    assert "Please type your password again" in page
    wrong = client.post(reverse("account_reauthenticate"), {"password": "not hers"})
    assert "That is not your password." in text(wrong)


def test_an_account_that_is_switched_off_is_told_whom_to_ask() -> None:
    page = text(Client().get(reverse("account_inactive")))
    assert "This account is switched off" in page
    assert "Ask the people who run this service" in page


def test_a_theme_that_does_not_exist_is_refused(alice: User) -> None:
    assert signed_in(alice).post(url("account"), {"name": "", "theme": "pink"}).status_code == 422


@pytest.mark.parametrize(
    ("back", "to"),
    [("/domains/?q=x", "/domains/?q=x"), ("https://evil.example/", "/customers/account/"), ("", "/customers/account/")],
)
def test_the_theme_switch_goes_back_to_our_pages_alone(alice: User, back: str, to: str) -> None:
    response = signed_in(alice).post(url("theme"), {"theme": "light", "next": back})
    assert response.headers["Location"] == to
    alice.refresh_from_db()
    assert alice.theme == "light"


def code_now(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def test_the_second_step_is_set_up_and_then_asked_for(alice: User) -> None:
    client, login = Client(), {"login": alice.email, "password": "correct horse battery"}
    client.post(reverse("account_login"), login)
    client.post(reverse("account_reauthenticate"), {"password": login["password"]})
    assert client.get(reverse("mfa_activate_totp")).status_code == 200
    secret = client.session[SECRET_SESSION_KEY]
    client.post(reverse("mfa_activate_totp"), {"code": code_now(secret)})
    later = Client()
    assert later.post(reverse("account_login"), login).headers["Location"] == reverse("mfa_authenticate")
    assert later.get(url("account")).status_code == 302
    assert later.get("/admin/login/").headers["Location"].startswith("/accounts/login/")
    assert later.post(reverse("mfa_authenticate"), {"code": "000000"}).status_code == 200
    assert later.get(url("account")).status_code == 302


# --- signing up --------------------------------------------------------------------------------------------------

NEWCOMER = {"email": "Dora@new.example", "password1": PASSWORD}


def test_a_closed_sign_up_says_whom_to_ask() -> None:
    for response in (Client().get(reverse("account_signup")), Client().post(reverse("account_signup"), NEWCOMER)):
        assert "Ask the people who run this service" in text(response)
    assert not User.objects.exists()


@pytest.fixture
def open_sign_up(settings: Settings) -> None:
    settings.OPEN_SIGN_UP = True
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"


@pytest.mark.usefixtures("open_sign_up")
def test_a_newcomer_gets_a_customer_of_their_own_once() -> None:
    for _ in range(2):
        assert Client().post(reverse("account_signup"), NEWCOMER).status_code == 302
    dora = User.objects.get()
    assert dora.email == "dora@new.example"
    assert (dora.customers.get().name, dora.memberships.get().role) == ("dora@new.example", MemberRole.OWNER)
    about = Change.objects.filter(object_type="customer")
    assert list(about.values_list("what", "actor_id")) == [("customer.created", str(dora.pk))]


@pytest.mark.usefixtures("open_sign_up")
def test_a_newcomer_signs_in_after_they_proved_the_address() -> None:
    client = Client()
    client.post(reverse("account_signup"), NEWCOMER)
    login = {"login": NEWCOMER["email"], "password": PASSWORD}
    client.post(reverse("account_login"), login)
    assert client.get(url("account")).status_code == 302
    EmailAddress.objects.update(verified=True)
    client.post(reverse("account_login"), login)
    assert client.get(url("account")).status_code == 200


@pytest.mark.usefixtures("open_sign_up")
def test_a_newcomer_whose_customer_cannot_be_made_is_not_made_either() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tenants_customer ADD CONSTRAINT none_new CHECK (name <> 'dora@new.example')")
    response = Client().post(reverse("account_signup"), NEWCOMER)
    assert response.status_code == 422
    assert not User.objects.exists()
    assert not Change.objects.exists()


def test_the_database_knows_an_address_in_any_case(alice: User) -> None:
    with pytest.raises(IntegrityError, match="user_email_any_case"):
        User.objects.create(email="ALICE@acme.example")
