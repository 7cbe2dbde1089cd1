"""`url_of` gives the same result as `url`."""

import pytest
from django.template import engines
from django.urls import reverse, set_script_prefix


def render(view: str, pk: object) -> str:
    return engines["django"].from_string("{% url_of view pk %}").render({"view": view, "pk": pk})


@pytest.mark.parametrize("pk", ["dom_6knhh76k715948g7465n", "a b", "ü", 'a"><b', "100%"])
@pytest.mark.parametrize("view", ["domains:detail", "tenants:detail", "receipt_rules:address"])
def test_it_matches_reverse(view: str, pk: str) -> None:
    assert render(view, pk) == reverse(view, args=[pk])


def test_it_includes_the_script_prefix() -> None:
    assert render("domains:detail", "dom_1") == "/domains/dom_1/"
    set_script_prefix("/panel/")
    try:
        assert render("domains:detail", "dom_1") == "/panel/domains/dom_1/"
    finally:
        set_script_prefix("/")
