"""The change log page: visible rows, filters, and exports."""

import csv
import io
import json

import pytest
from django.test import Client

from accounts.models.people import Customer, User
from accounts.roles import Role
from audit import services as audit_services
from tests.factories import make_customer, make_member, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def log() -> tuple[str, str]:
    """Create a change for Alice's and one for Bob's customer; return both customer IDs."""
    ids = []
    for name in ("Alice Ltd", "Bob Ltd"):
        customer = make_customer(name)
        about = audit_services.Subject("domain", f"dom_{name[:3]}", f"{name.split()[0].lower()}.example", customer.id)
        audit_services.record("domain.added", about=about, actor=None, because="=1+1")
        audit_services.record("domain.note", about=about, actor=None, for_staff=True)
        ids.append(customer.id)
    return ids[0], ids[1]


def sign_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def test_a_customer_sees_only_their_own_changes(client: Client, log: tuple[str, str]) -> None:
    alice = make_member(Customer.objects.get(pk=log[0]))
    page = sign_in(client, alice).get("/operations/changes/").content.decode()
    assert "alice.example" in page
    assert "bob.example" not in page
    assert "1 change" in page
    exported = json.loads(client.get(f"/operations/changes.json?customer={log[1]}").content)
    assert exported == []


def test_the_filter_offers_customers_only_their_own_kinds_and_staff_all(client: Client, log: tuple[str, str]) -> None:
    alice = make_member(Customer.objects.get(pk=log[0]))
    offered = sign_in(client, alice).get("/operations/changes/").context["choices"]
    assert [value for value, _ in offered["what"]] == ["domain.added"]  # "domain.note" is visible to staff only
    assert [value for value, _ in offered["about"]] == ["domain"]
    assert len(sign_in(client, make_staff()).get("/operations/changes/").context["choices"]["what"]) > 50


def test_every_object_that_staff_are_offered_finds_its_changes(client: Client) -> None:
    """A verb isn't named after its object: `rules.applied` is about a rule set."""
    rule_set = audit_services.Subject("rule_set", "inbound-mail", "inbound-mail")
    audit_services.record("rules.applied", about=rule_set, actor=None, for_staff=True)
    page = sign_in(client, make_staff()).get("/operations/changes/")
    found = {each: client.get("/operations/changes/", {"about": each}) for each, _ in page.context["choices"]["about"]}
    assert [each for each, answer in found.items() if len(answer.context["page"])] == ["rule_set"]
    assert ("bulk", "Bulk action") in page.context["choices"]["about"]


def test_staff_can_search_all_changes(client: Client, log: tuple[str, str]) -> None:
    page = sign_in(client, make_staff(Role.SUPPORT)).get("/operations/changes/?q=bob").content.decode()
    assert "bob.example" in page
    assert "alice.example" not in page


def test_an_htmx_request_returns_only_the_results(client: Client, log: tuple[str, str]) -> None:
    answer = sign_in(client, make_staff()).get("/operations/changes/?what=domain.added", headers={"HX-Request": "true"})
    assert answer.content.decode().strip().startswith('<div id="results"')


def test_an_empty_result_says_so_and_offers_to_clear_the_filters(client: Client, log: tuple[str, str]) -> None:
    page = sign_in(client, make_staff()).get("/operations/changes/?q=nowhere").content.decode()
    assert "No changes match these filters" in page
    assert "Clear filters" in page


def test_the_export_contains_the_filtered_rows_and_no_formula(client: Client, log: tuple[str, str]) -> None:
    answer = sign_in(client, make_staff()).get("/operations/changes.csv?what=domain.added")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["name"] for row in rows] == ["bob.example", "alice.example"]
    assert {row["because"] for row in rows} == {"'=1+1"}


def test_only_csv_and_json_are_exported(client: Client, log: tuple[str, str]) -> None:
    assert sign_in(client, make_staff()).get("/operations/changes.exe").status_code == 404
