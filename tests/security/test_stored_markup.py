"""Markup in texts by others stays text on every page and in every file."""

import csv
import io
from collections.abc import Iterator

import pytest
from allauth.account.internal.flows.login import record_authentication
from django.contrib import admin
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from accounts.models.people import User
from accounts.roles import Role
from inbound_admin.lib.exports import FORMULA_STARTS
from sandbox.process import Sandbox
from tests.api_client import api_of, operations
from tests.api_rows import World, make_more_rows, make_world
from tests.browser.showcase.world import make_showcase
from tests.browser.visits.every import SUBJECTS
from tests.factories import make_customer, make_member, make_staff
from tests.security.hostile_text import ADDRESS, MARKUP, active_markup, plant
from tests.writes.every import WRITES
from tests.writes.world import World as WriteWorld
from tests.writes.world import Write

pytestmark = pytest.mark.django_db
SMALLEST_SHARE = 0.8  # of the visits show their page without any action
ACTIVE_TYPES = ("text/html", "image/svg")


def signed_in(person: User | None) -> Client:
    """Return a client that has just entered the password, so that no page asks for it."""
    client = Client(raise_request_exception=False)
    if person is not None:
        client.force_login(person)
        request = HttpRequest()
        request.session = client.session
        record_authentication(request, person, "password", reauthenticated=True)
        request.session.save()
    return client


def test_active_markup_is_detected() -> None:
    """In an element's text, in an attribute of either kind, as a URL, and in JSON."""
    for page in ("<p>{}</p>", "<p title='{}'>", '<p title="{}">', "<title>{}</title>", "<textarea>{}</textarea>"):
        assert active_markup(page.format(MARKUP)), page
        assert not active_markup(page.format(escape(MARKUP))), page
    assert active_markup(f'<a href="{ADDRESS}">')
    assert not active_markup(f'<a href="/?next={ADDRESS}">')
    assert active_markup("<p hx-vals='{\"a\": \"' onxss=1 x='\"}'>")


@pytest.mark.parametrize("text", [MARKUP, ADDRESS], ids=["markup", "an address that runs script"])
@pytest.mark.parametrize("subject", [subject for subject in SUBJECTS if subject != "gone wrong"])
def test_no_page_renders_stored_markup(subject: str, text: str, sandbox: Sandbox) -> None:
    world = make_showcase(sandbox)
    sandbox.control.clear_faults()  # other tests cover a slow SES
    visits = [(visit, reverse(visit.name, args=visit.of(world)) + visit.query) for visit in SUBJECTS[subject]]
    assert plant(text) > 100
    shown, wrong = 0, []
    for visit, url in visits:
        answer = signed_in(world.people.get(visit.who)).get(url)
        shown += answer.status_code == visit.status
        if answer.status_code == 500:
            wrong.append(f"{visit}: 500")
        wrong += [f"{visit}: {each}" for each in active_markup(answer.content.decode())]
    assert not wrong, "\n".join(wrong)
    assert shown / len(visits) > SMALLEST_SHARE


@pytest.fixture
def planted(sandbox: Sandbox) -> World:
    world = make_world()
    make_more_rows(world, start=0, end=1)
    plant(MARKUP)
    return world


def test_no_admin_page_renders_stored_markup(planted: World) -> None:
    client, wrong = signed_in(make_staff(Role.ADMIN, is_superuser=True)), []
    for url in _admin_pages():
        answer = client.get(url)
        assert answer.status_code == 200, url
        wrong += [f"{url}: {each}" for each in active_markup(answer.content.decode())]
    assert not wrong, "\n".join(wrong)


def _admin_pages() -> Iterator[str]:
    """Yield each list, and the first rows of each."""
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        yield from (reverse(f"{name}_change", args=[row.pk]) for row in model._default_manager.all()[:3])


def test_api_responses_are_never_treated_as_a_page(planted: World) -> None:
    for api in (api_of(planted.alice, "read"), api_of(make_staff(Role.OPERATOR), "read", "staff")):
        for path in [path for method, path in operations() if method == "GET"]:
            answer = api.get(path.format(**planted.ids | {"kind": "csv", "form": "json"}))
            assert not answer["Content-Type"].startswith(ACTIVE_TYPES), path
            assert answer["X-Content-Type-Options"] == "nosniff", path


EXPORTS = ("domains:export", "tenants:export", "operations:export_changes")


@pytest.mark.parametrize("name", EXPORTS)
def test_no_cell_of_an_export_is_a_formula(name: str, planted: World) -> None:
    client = signed_in(make_staff(Role.OPERATOR))
    answer = client.get(reverse(name, args=["csv"]))
    rows = list(csv.reader(io.StringIO(b"".join(answer).decode(), newline="")))  # as streamed
    assert any(MARKUP in cell for row in rows for cell in row), "it contains none of the planted text"
    assert not [cell for row in rows for cell in row if cell.startswith(FORMULA_STARTS)]


@pytest.mark.parametrize("write", WRITES, ids=str)
def test_no_response_to_a_form_renders_submitted_markup(write: Write, sandbox: Sandbox) -> None:
    """In all text fields at once: in the preview, in errors, on the next page."""
    world = people_of(sandbox)
    post, client = write.of(world), signed_in(world.people[write.who])
    hostile = {name: MARKUP if isinstance(value, str) else value for name, value in post.form.items()}
    hostile |= {"do": post.form["do"]} if "do" in post.form else {}
    answer = client.post(reverse(write.name, args=post.args) + post.query, hostile, follow=True)
    assert answer.status_code != 500
    assert not active_markup(b"".join(answer).decode())


def people_of(sandbox: Sandbox) -> WriteWorld:
    customer = make_customer("Alice Ltd")
    roles = {"sam": Role.SUPPORT, "olga": Role.OPERATOR, "tess": Role.TRUST_AND_SAFETY, "adam": Role.ADMIN}
    staff = {name: make_staff(role) for name, role in roles.items()}
    return WriteWorld(sandbox, customer, {"alice": make_member(customer), **staff})


def test_values_from_dns_are_escaped_while_a_domain_is_added(sandbox: Sandbox) -> None:
    alice = make_member()
    sandbox.control.add_zone("shop.com")
    for name, kind in (("shop.com", "TXT"), ("_dmarc.shop.com", "TXT")):
        sandbox.control.add_record("shop.com", name, kind, f"v=spf1 {MARKUP}")
    answer = signed_in(alice).post(reverse("domains:add"), {"name": "shop.com", "domain": "shop.com"}, follow=True)
    assert answer.status_code == 200
    assert not active_markup(answer.content.decode())
