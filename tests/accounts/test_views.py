import re
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models.people import Customer, Invitation, MemberRole, Membership, User
from accounts.roles import Role
from audit.models import Change
from tests.factories import make_customer, make_member, make_staff, make_user
from tests.tenants.pages import HTMX, invitation_path, signed_in, text, url

pytestmark = pytest.mark.django_db


def pages_of(customer: Customer) -> list[tuple[str, str]]:
    """Return method and URL of every page and action about one customer."""
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


# --- visibility --------------------------------------------------------------------------------------------------


def test_another_customers_pages_are_404(acme: Customer, alice: User, bob: User) -> None:
    invitation_path(acme, alice)
    before = Change.objects.count()
    for method, address in pages_of(acme):
        response = getattr(signed_in(bob), method)(address, {"do": "remove", "name": "Mine", "email": "b@b.example"})
        assert response.status_code == 404, address
        assert "Acme" not in text(response)
    assert Change.objects.count() == before


def test_another_customers_members_and_invitations_are_404_through_the_own_customer(
    acme: Customer, alice: User, bob: User
) -> None:
    invitation_path(acme, alice)
    his, client = bob.customers.get(), signed_in(bob)
    member = url("member", his.pk, alice.memberships.get().pk)
    invitation = url("invitation", his.pk, Invitation.objects.get().pk)
    assert client.post(member, {"do": "remove"}).status_code == 404
    assert client.post(invitation, {"do": "revoke"}).status_code == 404


def test_an_anonymous_visitor_is_redirected_to_the_sign_in(acme: Customer, alice: User) -> None:
    invitation_path(acme, alice)
    addresses = [("get", url(name)) for name in ("list", "create", "account")]
    for method, address in addresses + pages_of(acme):
        response = getattr(Client(), method)(address)
        assert (response.status_code, response.headers["Location"].partition("?")[0]) == (302, "/accounts/login/")


def test_the_list_shows_only_the_users_own_customers(acme: Customer, alice: User, bob: User) -> None:
    assert signed_in(alice).get(url("list")).headers["Location"] == url("detail", acme.pk)
    Membership.objects.create(customer=make_customer("Second"), user=alice)
    page = text(signed_in(alice).get(url("list")))
    assert "Acme" in page
    assert "Second" in page
    assert "Bob&#x27;s Shop" not in page
    assert "New customer" not in page


def test_a_user_without_a_customer_sees_a_message() -> None:
    assert "You don’t belong to an organisation" in text(signed_in(make_user()).get(url("list")))


def test_a_search_does_not_find_other_customers(alice: User, bob: User) -> None:
    page = text(signed_in(alice).get(url("list"), {"q": "bob"}))
    assert "No customer matches “bob”" in page


# --- the list for staff ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["acm", "ALICE@acme", "id"])
def test_support_finds_a_customer_by_name_member_or_id(acme: Customer, alice: User, bob: User, words: str) -> None:
    page = text(signed_in(make_staff()).get(url("list"), {"q": acme.pk if words == "id" else words}))
    assert "Acme" in page
    assert "Bob&#x27;s Shop" not in page


def test_the_search_swaps_only_the_results(acme: Customer) -> None:
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
    client.get(address)  # fill the caches first
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_the_number_of_queries_does_not_depend_on_the_rows(acme: Customer, alice: User) -> None:
    sam = signed_in(make_staff())
    addresses = [url("list"), url("detail", acme.pk), url("history", acme.pk)]
    invitation_path(acme, alice, "first@acme.example")
    few = [queries(sam, address) for address in addresses]
    for number in range(20):
        make_member(acme)
        make_member(make_customer())
        invitation_path(acme, alice, f"more{number}@acme.example")
    assert [queries(sam, address) for address in addresses] == few


# --- creating and renaming ---------------------------------------------------------------------------------------


def test_support_creates_a_customer_and_only_its_owner_gets_the_link() -> None:
    sam = signed_in(make_staff())
    form = text(sam.get(url("create")))
    found = re.search(r'name="customer_id" value="(cus_\w+)"', form)
    assert found
    given = {"name": "New Ltd", "owner": "owner@new.example", "customer_id": found[1]}
    page = text(sam.post(url("create"), given, follow=True))
    assert "Invitation sent to owner@new.example" in page
    assert "/customers/invitation/" not in page
    assert mail.outbox[0].to == ["owner@new.example"]
    assert Invitation.objects.get().role == MemberRole.OWNER


def test_the_form_sent_twice_creates_one_customer() -> None:
    sam, given = signed_in(make_staff()), {"name": "New Ltd", "customer_id": "cus_" + "1" * 20}
    assert sam.post(url("create"), given).headers["Location"] == sam.post(url("create"), given).headers["Location"]
    assert Customer.objects.count() == 1


def warned_of(page: str) -> str:
    found = re.search(r'name="warned_of" value="([^"]*)"', page)
    assert found
    return found[1]


def test_a_name_in_use_needs_one_confirmation(acme: Customer) -> None:
    sam, given = signed_in(make_staff()), {"name": " aCME ", "customer_id": "cus_" + "1" * 20}
    warned = sam.post(url("create"), given)
    assert warned.status_code == 422
    warning = f"A customer with this name already exists ({acme.pk}). Submit again to create another."
    assert warning in text(warned)
    assert Customer.objects.count() == 1
    again = sam.post(url("create"), given | {"warned_of": warned_of(text(warned))})
    assert again.headers["Location"] == url("detail", given["customer_id"])
    assert Customer.objects.count() == 2


def test_a_confirmation_for_one_name_does_not_count_for_another(acme: Customer) -> None:
    make_customer("Bob's Shop")
    given = {"name": "Bob's Shop", "warned_of": "Acme"}
    assert "Submit again to create another." in text(signed_in(make_staff()).post(url("create"), given))
    assert Customer.objects.count() == 2


def test_an_invalid_form_keeps_the_entered_values() -> None:
    response = signed_in(make_staff()).post(url("create"), {"name": "", "owner": "nonsense"})
    assert response.status_code == 422
    assert "This field is required." in text(response)
    assert 'value="nonsense"' in text(response)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.TRUST_AND_SAFETY, None])
def test_other_roles_cannot_create_customers(role: Role | None, alice: User) -> None:
    client = signed_in(make_staff(role) if role else alice)
    assert client.get(url("create")).status_code == 403
    assert client.post(url("create"), {"name": "X"}).status_code == 403
    assert Customer.objects.count() == 1


def test_an_owner_can_rename_and_a_member_cannot(acme: Customer, alice: User) -> None:
    member = signed_in(make_member(acme, role=MemberRole.MEMBER))
    assert member.get(url("rename", acme.pk)).status_code == 403
    assert member.post(url("rename", acme.pk), {"name": "Mine"}).status_code == 403
    page = signed_in(alice).post(url("rename", acme.pk), {"name": "Acme Ltd"}, follow=True)
    assert "Name changed to Acme Ltd." in text(page)
    assert signed_in(alice).post(url("rename", acme.pk), {"name": ""}).status_code == 422


# --- people of a customer ----------------------------------------------------------------------------------------


def test_a_member_sees_the_members_can_leave_and_cannot_invite(acme: Customer, alice: User) -> None:
    invitation_path(acme, alice, "secret@acme.example")
    carol = make_member(acme, role=MemberRole.MEMBER, email="carol@acme.example")
    client = signed_in(carol)
    page = text(client.get(url("detail", acme.pk)))
    assert "alice@acme.example" in page
    assert "Leave…" in page
    assert "Send invitation" not in page
    assert "secret@acme.example" not in page
    assert client.post(url("invite", acme.pk), {"email": "x@x.example", "role": "member"}).status_code == 403
    assert client.get(url("member", acme.pk, alice.memberships.get().pk)).status_code == 404
    left = client.post(url("member", acme.pk, carol.memberships.get().pk), {"do": "remove"})
    assert left.status_code == 302
    assert client.get(url("detail", acme.pk)).status_code == 404


def test_a_member_cannot_make_themselves_an_owner(acme: Customer, alice: User) -> None:
    carol = make_member(acme, role=MemberRole.MEMBER)
    own = url("member", acme.pk, carol.memberships.get().pk)
    assert signed_in(carol).post(own, {"do": "role", "role": "owner"}).status_code == 403
    assert carol.memberships.get().role == MemberRole.MEMBER


def test_an_owner_invites_without_javascript_and_never_sees_the_link(acme: Customer, alice: User) -> None:
    given = {"email": "carol@acme.example", "role": "owner"}
    response = signed_in(alice).post(url("invite", acme.pk), given, follow=True)
    page = text(response)
    assert response.redirect_chain == [(url("detail", acme.pk), 302)]
    assert "Invitation sent to carol@acme.example. It expires on" in page
    assert "/customers/invitation/" not in page
    assert "/customers/invitation/" in mail.outbox[0].body


def chosen_role(page: str) -> str:
    found = re.search(r'<option value="(\w+)" selected', page)
    assert found
    return found[1]


def test_the_first_invited_person_is_an_owner_by_default(acme: Customer, alice: User) -> None:
    sam, empty = signed_in(make_staff()), make_customer()
    assert chosen_role(text(sam.get(url("detail", empty.pk)))) == "owner"
    make_member(empty, role=MemberRole.MEMBER)
    assert chosen_role(text(sam.get(url("detail", empty.pk)))) == "owner"
    assert chosen_role(text(sam.get(url("detail", acme.pk)))) == "member"


def test_an_invitation_by_htmx_swaps_the_people(acme: Customer, alice: User) -> None:
    given = {"email": "carol@acme.example", "role": "member"}
    part = text(signed_in(alice).post(url("invite", acme.pk), given, headers=HTMX))
    assert part.lstrip().startswith('<div id="people"')
    assert "Invitation sent to carol@acme.example" in part
    assert "Pending invitations" in part


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize(
    ("email", "sentence"),
    [
        ("nonsense", "Enter a valid email address."),
        ("alice@acme.example", "alice@acme.example already belongs to Acme."),
    ],
)
def test_an_invalid_invitee_is_reported_at_the_field(
    acme: Customer, alice: User, headers: dict[str, str], email: str, sentence: str
) -> None:
    response = signed_in(alice).post(url("invite", acme.pk), {"email": email, "role": "member"}, headers=headers)
    assert response.status_code == 422
    assert sentence in text(response)
    assert not mail.outbox


def test_an_invitation_whose_email_failed_is_reported(
    acme: Customer, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> int:
        raise SMTPServerDisconnected("gone")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", unreachable)
    given = {"email": "carol@acme.example", "role": "member"}
    page = text(signed_in(alice).post(url("invite", acme.pk), given, follow=True))
    assert "but the email could not be sent. Send it again later." in page


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_an_invitation_can_be_resent_or_revoked(acme: Customer, alice: User, headers: dict[str, str]) -> None:
    old, client = invitation_path(acme, alice), signed_in(alice)
    client.post(url("invitation", acme.pk, Invitation.objects.get().pk), {"do": "resend"}, headers=headers)
    assert len(mail.outbox) == 2
    assert Client().get(old).status_code == 410
    newest = Invitation.objects.filter(revoked_at=None).get()
    done = client.post(url("invitation", acme.pk, newest.pk), {"do": "revoke"}, headers=headers, follow=not headers)
    assert "Invitation for carol@acme.example revoked." in text(done)
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
    assert "Removed carol@acme.example from Acme." in text(removed)
    assert list(acme.members.all()) == [alice]


@pytest.mark.parametrize("sent", [{"do": "remove"}, {"do": "role", "role": "member"}])
def test_the_last_owner_reads_on_the_form_why_not_and_is_led_to_the_members(
    acme: Customer, alice: User, sent: dict[str, str]
) -> None:
    response = signed_in(alice).post(url("member", acme.pk, alice.memberships.get().pk), sent)
    assert response.status_code == 422
    assert "alice@acme.example is the last owner of Acme. Invite another owner first, or ask support" in text(response)
    assert f'href="{url("detail", acme.pk)}">Members of Acme</a>' in response.content.decode()
    assert "Leave Acme?" in text(response)
    assert "Request failed" not in text(response)
    assert alice.memberships.get().role == MemberRole.OWNER


def test_a_post_without_an_action_is_422(acme: Customer, alice: User) -> None:
    invitation_path(acme, alice)
    client = signed_in(alice)
    assert client.post(url("invitation", acme.pk, Invitation.objects.get().pk)).status_code == 422
    assert client.post(url("member", acme.pk, alice.memberships.get().pk)).status_code == 422


def test_the_history_shows_each_change(acme: Customer, alice: User) -> None:
    client = signed_in(alice)
    assert "No activity yet" in text(client.get(url("history", acme.pk)))
    client.post(url("rename", acme.pk), {"name": "Acme Ltd"})
    page = text(client.get(url("history", acme.pk)))
    assert "Renamed the customer" in page
    assert "<del>Acme</del>" in page
    assert "<ins>Acme Ltd</ins>" in page
