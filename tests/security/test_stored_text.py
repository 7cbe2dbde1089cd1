"""Texts that a DNS host provides about itself are escaped on our pages, and only its web URLs are linked."""

import json

import pytest
from django.template.loader import render_to_string

from domains.domain_connect.core import ConnectLink, read_settings

PLANT = "\"'><xss a=b>"


def test_the_name_of_a_dns_host_is_escaped() -> None:
    response = {
        "providerDisplayName": PLANT,
        "urlSyncUX": "https://host.example/x",
        "urlAPI": "https://api.host.example",
    }
    host = read_settings(json.dumps(response).encode(), schemes=("https",))
    assert host is not None
    assert host.name == PLANT
    shown = render_to_string("domains/domain_connect/offer.html", {"connect": ConnectLink(host.name, host.page, ())})
    assert "<xss" not in shown
    assert "&lt;xss" in shown


@pytest.mark.parametrize("page", ["javascript:alert(1)", "data:text/html,x", "https://a@b/", "//b/"])
def test_a_dns_host_cannot_link_to_anything_but_a_web_page(page: str) -> None:
    response = {"providerName": "Host", "urlSyncUX": page, "urlAPI": "https://api.host.example"}
    assert read_settings(json.dumps(response).encode(), schemes=("https",)) is None
