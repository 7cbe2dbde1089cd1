"""`url_of` gives what `url` gives."""

import pytest
from django.template import engines
from django.urls import reverse, set_script_prefix


def drawn(view: str, pk: object) -> str:
    return engines["django"].from_string("{% url_of view pk %}").render({"view": view, "pk": pk})


@pytest.mark.parametrize("pk", ["dom_6knhh76k715948g7465n", "a b", "ü", 'a"><b', "100%"])
@pytest.mark.parametrize("view", ["domains:detail", "tenants:detail", "receipt_rules:address"])
def test_it_is_the_address_that_django_finds(view: str, pk: str) -> None:
    assert drawn(view, pk) == reverse(view, args=[pk])


def test_it_is_below_the_path_that_the_server_puts_it_at() -> None:
    assert drawn("domains:detail", "dom_1") == "/domains/dom_1/"
    set_script_prefix("/panel/")
    try:
        assert drawn("domains:detail", "dom_1") == "/panel/domains/dom_1/"
    finally:
        set_script_prefix("/")
