"""A decision on the rules is made about what its reader saw: a page that is out of date changes nothing."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from receipt_rules.models.runs import OwnRuleSet
from tests.receipt_rules.factories import make_address, make_unmanaged_rule, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db
NOW = {"now": "1"}  # in the URL: the rules are read from SES


@pytest.fixture
def billing(olga_client: Client) -> None:
    make_address("billing@shop.com", make_verified("shop.com"))
    set_up_receiving()


def decision_form(page: str, do: str) -> dict[str, str]:
    """Return the hidden fields of the page's form for a decision, with a reason."""
    form = page[: page.index(f'value="{do}"')].rpartition("<form")[2]
    return {"do": do, "because": "They told us", **dict(re.findall(r'name="(seen|name)" value="([^"]+)"', form))}


def test_a_page_that_is_out_of_date_accepts_nothing_that_its_reader_did_not_see(
    olga_client: Client, billing: None
) -> None:
    make_unmanaged_rule("seen", ["x@elsewhere.com"], rule_set="inbound-mail")
    url = reverse("receipt_rules:rules")
    form = decision_form(olga_client.get(url, NOW).text, "accept")
    make_unmanaged_rule("unseen", ["y@elsewhere.com"], rule_set="inbound-mail")
    answer = olga_client.post(url, form)
    assert answer.status_code == 422
    assert "somebody else made changes" in answer.text
    assert "Rule unseen was created" in answer.text
    assert len(olga_client.get(url, NOW).context["found"]) == 2
    assert olga_client.post(url, decision_form(answer.text, "accept")).status_code == 302
    assert olga_client.get(url, NOW).context["found"] == ()


def test_a_page_that_is_out_of_date_adopts_no_rule_that_its_reader_did_not_see(
    olga_client: Client, billing: None
) -> None:
    make_unmanaged_rule("theirs", ["x@elsewhere.com"], rule_set="somebodys", create_set=True)
    url = reverse("receipt_rules:rules")
    form = decision_form(olga_client.get(url, NOW).text, "adopt")
    make_unmanaged_rule("more", ["y@elsewhere.com"], rule_set="somebodys")
    answer = olga_client.post(url, form)
    assert answer.status_code == 422
    assert not OwnRuleSet.objects.filter(adopted=True).exists()
    assert olga_client.post(url, decision_form(answer.text, "adopt")).status_code == 302
    assert OwnRuleSet.objects.filter(adopted=True, name="somebodys").exists()
