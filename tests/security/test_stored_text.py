"""What a DNS host says of itself is text on our pages, never markup, and leads to web pages alone."""

import json

import pytest
from django.template.loader import render_to_string

from domains.domain_connect.core import ConnectLink, read_settings

PLANT = "\"'><xss a=b>"


def test_the_name_that_a_dns_host_gives_itself_is_text_too() -> None:
    said = {"providerDisplayName": PLANT, "urlSyncUX": "https://host.example/x", "urlAPI": "https://api.host.example"}
    host = read_settings(json.dumps(said).encode(), schemes=("https",))
    assert host is not None
    assert host.name == PLANT
    shown = render_to_string("domains/domain_connect/offer.html", {"connect": ConnectLink(host.name, host.page, ())})
    assert "<xss" not in shown
    assert "&lt;xss" in shown


@pytest.mark.parametrize("page", ["javascript:alert(1)", "data:text/html,x", "https://a@b/", "//b/"])
def test_a_dns_host_sends_nobody_to_what_is_no_web_page(page: str) -> None:
    said = {"providerName": "Host", "urlSyncUX": page, "urlAPI": "https://api.host.example"}
    assert read_settings(json.dumps(said).encode(), schemes=("https",)) is None
