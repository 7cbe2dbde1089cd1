"""The plain Django admin used for comparison shows the same rows with Django's own columns and the same search."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from tests.domains.factories import make_domain
from tests.factories import make_staff

NAMES = ("a.example.com", "b.example.com")


@pytest.mark.django_db
@pytest.mark.parametrize(("q", "shown"), [("", NAMES), ("b.ex", NAMES[1:])])
def test_its_list_has_the_domains_and_searches_their_names(q: str, shown: tuple[str, ...], settings: Settings) -> None:
    settings.ROOT_URLCONF = "benchmarks.bare.urls"
    for name in NAMES:
        make_domain(name)
    client = Client()
    client.force_login(make_staff(is_superuser=True))
    page = client.get(reverse("bare:domains_domain_changelist"), {"q": q})
    assert page.status_code == 200
    assert tuple(name for name in NAMES if name in page.text) == shown
    assert page.context["cl"].list_display == ["action_checkbox", "__str__"]
