"""Names of people and organisations contain no characters that reorder or hide text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.members.services import _new_person
from accounts.people.services import change_account, import_person
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.mail_names import plain_name
from operations.customers.services import create_customer, rename_customer
from tests.factories import make_customer, make_member, make_staff, make_user

ATTACK = "Zärtge\u202e)1(\u200b<b>\u2066x\u00ad\ufeff\u3164"
PLAIN = "Zärtge)1(<b>x"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (ATTACK, PLAIN),
        ("  Ann \n  Lee\t", "Ann Lee"),
        ("Ｈarbour", "Harbour"),
        ("Müller & Söhne", "Müller & Söhne"),
        ("مثال", "مثال"),
        ("\u202e\u200b", ""),
    ],
)
def test_a_plain_name_has_no_reordering_or_hidden_characters(typed: str, kept: str) -> None:
    assert plain_name(typed) == kept


@given(st.text())
def test_a_plain_name_is_free_of_control_characters_and_stable(text: str) -> None:
    plain = plain_name(text)
    assert not any(unicodedata.category(each).startswith("C") for each in plain)
    assert plain_name(plain) == plain


@pytest.mark.django_db
def test_every_way_to_store_a_name_stores_it_plain() -> None:
    operator = make_staff()
    person = make_user("p@example.com")
    change_account(person=person, name=ATTACK)
    person.refresh_from_db()
    assert person.first_name == PLAIN
    assert _new_person("n@example.com", ATTACK, "correct horse battery").first_name == PLAIN
    assert import_person(email="i@example.com", name=ATTACK, actor=None, because="x", bulk_id="")[0].first_name == PLAIN
    customer = create_customer(name=ATTACK, owner=None, actor=None)
    assert customer.name == PLAIN
    rename_customer(customer=customer, name=f"{ATTACK} Ltd", actor=None)
    assert customer.name == f"{PLAIN} Ltd"
    assert operator.is_staff


@pytest.mark.django_db
def test_a_name_lengthened_by_normalisation_is_truncated() -> None:
    person = make_user("p@example.com")
    change_account(person=person, name="\ufdfa" * 140)
    person.refresh_from_db()
    assert len(person.first_name) == 150


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    [
        *("Northwind Books", "northwind  BOOKS", "North\u200bwind Books", "Ｎorthwind Books"),
        *("Northwind Books.", "North-wind Books", "N\u043erthwind Books", "\u0441\u043e\u0440\u0435 Books"),
    ],
)
def test_an_owner_cannot_take_the_name_of_another_customer(name: str) -> None:
    make_customer("Northwind Books")
    own = make_customer("Harbour Dental")
    with pytest.raises(Refused, match="isn't available"):
        rename_customer(customer=own, name=name, actor=make_member(own))
    own.refresh_from_db()
    assert own.name == "Harbour Dental"


@pytest.mark.django_db
def test_an_owner_can_change_the_case_of_a_name_that_is_already_shared() -> None:
    make_customer("Northwind Books")
    own = make_customer("NORTHWIND BOOKS")
    rename_customer(customer=own, name="Northwind books", actor=make_member(own))
    assert own.name == "Northwind books"
