"""Names of tenants, and parsing of ARNs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.lifecycle.core import is_tenant_name, kind_of, name_of, tenant_name


@pytest.mark.parametrize(
    ("customer", "name"),
    [
        ("Northwind Books", "northwind-books-3f9k2m7q"),
        ("Kite & Key  Studio", "kite-key-studio-3f9k2m7q"),
        ("Café Söhne", "cafe-sohne-3f9k2m7q"),
        ("株式会社", "customer-3f9k2m7q"),
        ("--", "customer-3f9k2m7q"),
        ("x" * 120, "x" * 55 + "-3f9k2m7q"),
    ],
)
def test_a_tenant_is_named_after_its_customer(customer: str, name: str) -> None:
    assert tenant_name(customer, "3f9k2m7q") == name


@given(st.text(max_size=120))
def test_every_generated_name_is_valid_in_ses(customer: str) -> None:
    assert is_tenant_name(tenant_name(customer, "3f9k2m7q"))


@pytest.mark.parametrize("name", ["", "a b", "a" * 65, "ä", "a/b", "a\n"])
def test_names_that_ses_would_refuse_are_invalid(name: str) -> None:
    assert not is_tenant_name(name)


@pytest.mark.parametrize(
    ("arn", "kind", "name"),
    [
        ("arn:aws:ses:eu-west-1:1:identity/shop.com", "identity", "shop.com"),
        ("arn:aws:ses:eu-west-1:1:configuration-set/events", "configuration-set", "events"),
        ("arn:aws:ses:eu-west-1:1:tenant/alice/tn-1", "tenant", "alice/tn-1"),
        ("arn:aws:s3:::bucket", "", ""),
        ("nonsense", "", ""),
    ],
)
def test_kind_and_name_are_parsed_from_an_arn(arn: str, kind: str, name: str) -> None:
    assert (kind_of(arn), name_of(arn)) == (kind, name)
