"""A customer is chosen from a select if there are few, and typed if there are many."""

import pytest
from django import forms
from django.test import Client
from django.urls import reverse

from accounts.api_keys.api import chosen_customer
from accounts.models.people import Customer
from accounts.people import forms as people_forms
from accounts.people.forms import CustomerChoice
from accounts.people.selectors import NO_ORGANISATION
from inbound_admin.lib.errors import Refused
from operations.checklist.selectors import checklist
from tests.factories import make_customer, make_member, make_staff, make_user

pytestmark = pytest.mark.django_db


class ChoiceForm(forms.Form):
    customer = CustomerChoice(Customer.objects.all())


def test_few_customers_are_in_a_select_and_many_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    alice = make_customer("Alice Ltd")
    assert f'<option value="{alice.pk}">Alice Ltd ({alice.pk})</option>' in str(ChoiceForm()["customer"])
    monkeypatch.setattr(people_forms, "MOST_LISTED", 0)
    field = str(ChoiceForm()["customer"])
    assert "<select" not in field
    assert 'list="id_customer_offered"' in field
    assert '<datalist id="id_customer_offered"></datalist>' in field
    assert "Alice" not in field
    assert 'value="alice ltd"' in str(ChoiceForm({"customer": "alice ltd"})["customer"])


@pytest.mark.parametrize("typed", ["{id}", "Alice Ltd ({id})", " alice ltd ", "Another name ({id})"])
def test_a_customer_is_found_by_its_id_or_full_name(typed: str) -> None:
    alice = make_customer("Alice Ltd")
    make_customer("Alice Ltd 2")
    form = ChoiceForm({"customer": typed.format(id=alice.pk)})
    assert form.is_valid()
    assert form.cleaned_data["customer"] == alice


@pytest.mark.parametrize(
    ("typed", "message"), [("Alice Ltd", "Enter the ID"), ("Ali", "No customer has"), ("\x00", "")]
)
def test_an_ambiguous_or_unknown_name_is_refused(typed: str, message: str) -> None:
    make_customer("Alice Ltd")
    make_customer("Alice Ltd")
    form = ChoiceForm({"customer": typed})
    assert not form.is_valid()
    assert message in str(form.errors)


def test_only_the_users_own_customers_are_offered(client: Client) -> None:
    alice, bob = make_customer("Alice <Ltd>"), make_customer("Bob Ltd")
    url = reverse("customers:choices")
    client.force_login(make_member(alice))
    offered = client.get(url, {"customer": "ltd"}).text
    assert offered == f'<option value="Alice &lt;Ltd&gt; ({alice.pk})"></option>'
    assert client.get(url, {"customer": bob.pk}).text == ""
    assert client.get(url).text == ""
    client.force_login(make_staff())
    assert client.get(url, {"anything": "ltd"}).text.count("<option") == 2


def test_a_user_without_an_organisation_sees_whom_to_contact() -> None:
    zoe = make_user("zoe@example.com")
    client = Client()
    client.force_login(zoe)
    page = client.get(reverse("domains:add")).content.decode()
    assert "You don’t belong to an organisation yet" in page
    assert "Choose a customer" not in page
    assert NO_ORGANISATION.replace("'", "&#x27;") in client.get(reverse("receipt_rules:add_endpoint")).content.decode()
    assert [(step.text, step.url) for step in checklist(zoe)] == [(NO_ORGANISATION, "")]
    with pytest.raises(Refused, match="Ask an owner to invite you"):
        chosen_customer(zoe)
