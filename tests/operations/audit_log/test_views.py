"""The change log as a page: whose rows one sees, what the filters do, and what is taken along."""

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
    """Ids of Alice's customer and of Bob's, each with a change."""
    ids = []
    for name in ("Alice Ltd", "Bob Ltd"):
        customer = make_customer(name)
        about = audit_services.Subject("domain", f"dom_{name[:3]}", f"{name.split()[0].lower()}.example", customer.id)
        audit_services.record("domain.added", about=about, actor=None, because="=1+1")
        audit_services.record("domain.note", about=about, actor=None, for_staff=True)
        ids.append(customer.id)
    return ids[0], ids[1]


def signed_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def test_a_customer_sees_own_changes_alone(client: Client, log: tuple[str, str]) -> None:
    alice = make_member(Customer.objects.get(pk=log[0]))
    page = signed_in(client, alice).get("/operations/changes/").content.decode()
    assert "alice.example" in page
    assert "bob.example" not in page
    assert "1 change" in page
    exported = json.loads(client.get(f"/operations/changes.json?customer={log[1]}").content)
    assert exported == []


def test_a_customer_is_offered_only_the_kinds_that_occur_and_staff_all(client: Client, log: tuple[str, str]) -> None:
    alice = make_member(Customer.objects.get(pk=log[0]))
    offered = signed_in(client, alice).get("/operations/changes/").context["choices"]
    assert [value for value, _ in offered["what"]] == ["domain.added"]  # "domain.note" is for staff
    assert [value for value, _ in offered["about"]] == ["domain"]
    assert len(signed_in(client, make_staff()).get("/operations/changes/").context["choices"]["what"]) > 50


def test_staff_see_everybodys_and_find_one(client: Client, log: tuple[str, str]) -> None:
    page = signed_in(client, make_staff(Role.SUPPORT)).get("/operations/changes/?q=bob").content.decode()
    assert "bob.example" in page
    assert "alice.example" not in page


def test_a_swap_is_the_results_alone(client: Client, log: tuple[str, str]) -> None:
    answer = signed_in(client, make_staff()).get(
        "/operations/changes/?what=domain.added", headers={"HX-Request": "true"}
    )
    assert answer.content.decode().strip().startswith('<div id="results"')


def test_a_filter_that_finds_nothing_says_so_with_a_way_back(client: Client, log: tuple[str, str]) -> None:
    page = signed_in(client, make_staff()).get("/operations/changes/?q=nowhere").content.decode()
    assert "No changes match these filters" in page
    assert "Clear filters" in page


def test_the_export_has_all_that_the_filter_shows_and_no_formula(client: Client, log: tuple[str, str]) -> None:
    answer = signed_in(client, make_staff()).get("/operations/changes.csv?what=domain.added")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["name"] for row in rows] == ["bob.example", "alice.example"]
    assert {row["because"] for row in rows} == {"'=1+1"}


def test_only_csv_and_json_are_offered(client: Client, log: tuple[str, str]) -> None:
    assert signed_in(client, make_staff()).get("/operations/changes.exe").status_code == 404
