"""Secrets are planted in every input, and then searched for in every output."""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings as django_settings
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.members.services import invite
from accounts.models.people import MemberRole, User
from accounts.roles import Role
from audit.models import Change
from domains.sharing.services import create as create_link
from inbound_admin.lib import sealed
from inbound_admin.lib.redaction import MASK
from notifications.webhooks.services import add_target
from operations.doctor.services import SEALED, reseal_everything
from operations.legacy_import import services as legacy_import_services
from receipt_rules.models.endpoints import Endpoint
from sandbox.process import Sandbox
from tests.accounts.invitations import mailed_token
from tests.api_client import Api, api_of, ok, operations
from tests.api_rows import World, make_world
from tests.factories import make_staff
from tests.operations.legacy_documents import document, files
from tests.receipt_rules.factories import make_address

pytestmark = pytest.mark.django_db
PLANT = "planted"  # in each secret, and nowhere else
HEADER, TOKEN, QUERY = f"{PLANT}Header1a2b3c", f"{PLANT}-verification", f"{PLANT}InTheQuery"
CONFIG = {"url": f"https://a.example/in?token={QUERY}", "headers": {"X-Anything": HEADER}, "verificationToken": TOKEN}


@dataclass(frozen=True)
class Planted:
    world: World
    endpoint_id: str
    secrets: tuple[str, ...]
    staff: User

    def in_text(self, text: str) -> list[str]:
        return [secret for secret in self.secrets if secret in text]


@pytest.fixture
def planted(sandbox: Sandbox) -> Planted:
    """Plant secrets by API, page and import; added, changed and removed."""
    world, olga = make_world(), make_staff(Role.ADMIN)
    alice = api_of(world.alice)
    body = {"name": "planted here", "type": "webhook", "config": CONFIG}
    made = ok(alice.post("/api/v2/endpoints", body | {"customerId": world.customer.pk}, Idempotency_Key="1"), 201)
    removed = ok(alice.post("/api/v2/endpoints", body | {"name": "old", "customerId": world.customer.pk}), 201)
    ok(alice.put(f"/api/v2/endpoints/{removed['id']}", {"config": {"headers": {"X-Anything": f"{HEADER}-2"}}}))
    ok(alice.delete(f"/api/v2/endpoints/{removed['id']}"))
    make_address("planted@shop.com", world.domain, endpoint=Endpoint.objects.get(pk=made["id"]))
    webhook = add_target(name="ours", url=f"https://hooks.example/?key={QUERY}", form="standard", events=(), actor=olga)
    key = api_of(world.alice, "read").secret
    invited = invite(
        customer=world.customer, email="c@alice.com", role=MemberRole.MEMBER, actor=world.alice, site_url="https://s"
    )
    TOTP.activate(world.alice, f"{PLANT.upper()}TOTP")
    rows = document(owner="new@alice.com", domain="new.com")
    rows["endpoints"][0]["config"] = CONFIG
    legacy_import_services.store_import(
        files=files(rows), because=f"as https://old.example/?token={QUERY} has it", actor=olga
    )
    legacy_import_services.work()
    token = mailed_token(invited.invitation)
    secrets = (PLANT.upper(), HEADER, TOKEN, QUERY, webhook.secret, key, token)
    return Planted(world, made["id"], secrets, olga)


def all_rows() -> Iterator[tuple[str, str]]:
    """Yield each row of each table as text: models, jobs with arguments, stored responses, sessions."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT one::text FROM {connection.ops.quote_name(table)} AS one")  # noqa: S608  own names
            yield from ((table, text) for (text,) in cursor.fetchall())


def test_no_row_of_any_table_contains_a_plain_secret(planted: Planted) -> None:
    found = [(table, secret) for table, text in all_rows() for secret in planted.in_text(text)]
    assert not found


def test_the_log_says_that_a_secret_changed_and_names_the_header(planted: Planted) -> None:
    change = Change.objects.get(what="endpoint.changed")
    assert change.before == {"config_headers": {"X-Anything": MASK}}
    assert change.after == {"config_headers": {"X-Anything": f"{MASK} (changed)"}}


READS = [path for method, path in operations() if method == "GET"]


def test_no_api_response_contains_a_secret(planted: Planted, settings: Settings) -> None:
    settings.API_CALLS_PER_MINUTE = 0  # all are called within a second
    ids = planted.world.ids | {"endpoint_id": planted.endpoint_id, "kind": "csv", "form": "json"}
    leaks = []
    for api in (api_of(planted.world.alice, "read"), api_of(planted.staff, "read", "staff")):
        for path in READS:
            answer = api.get(path.format(**ids))
            assert answer.status_code != 429, path
            leaks += [(path, secret) for secret in planted.in_text(b"".join(answer).decode())]
    assert not leaks


def test_no_page_export_or_admin_page_contains_a_secret(planted: Planted) -> None:
    create_link(domain=planted.world.domain, actor=planted.world.alice)
    pages = [
        reverse("receipt_rules:endpoints"),
        reverse("receipt_rules:endpoint", args=[planted.endpoint_id]),
        reverse("receipt_rules:addresses"),
        reverse("operations:changes"),
        *(reverse("operations:export_changes", args=[kind]) for kind in ("csv", "json")),
        reverse("operations:legacy_import"),
        reverse("notifications:webhooks"),
    ]
    for person in (planted.world.alice, planted.staff):
        client = Client()
        client.force_login(person)
        for page in [*pages, *_admin_pages(person)]:
            assert not planted.in_text(b"".join(client.get(page)).decode()), page


def _admin_pages(person: User) -> Iterator[str]:
    """Yield each list, and some rows of each."""
    for model in admin.site._registry if person.is_staff else ():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        yield from (reverse(f"{name}_change", args=[row.pk]) for row in model._default_manager.all()[:5])


def test_the_delivery_function_gets_the_secrets_that_it_needs(planted: Planted) -> None:
    route = Api(api_of(planted.staff, "route").secret)
    (found,) = ok(route.post("/api/v2/route-lookup", {"recipients": ["planted@shop.com"]}))["data"]
    config = found["endpoint"]["config"]
    assert (config["url"], config["headers"]) == (CONFIG["url"], CONFIG["headers"])


def test_sending_back_a_read_configuration_keeps_every_secret(planted: Planted) -> None:
    alice, path = api_of(planted.world.alice), f"/api/v2/endpoints/{planted.endpoint_id}"
    before = Endpoint.objects.get(pk=planted.endpoint_id).config
    read = ok(alice.get(path))
    answer = ok(alice.put(path, {"name": "renamed", "config": read["config"]}))
    assert Endpoint.objects.get(pk=planted.endpoint_id).config == before
    assert "warning" not in answer


def test_a_changed_host_does_not_get_the_former_secrets(planted: Planted) -> None:
    path = f"/api/v2/endpoints/{planted.endpoint_id}"
    answer = ok(api_of(planted.staff, "read", "write", "staff").put(path, {"config": {"url": "https://b.example/"}}))
    assert Endpoint.objects.get(pk=planted.endpoint_id).config == {"url": "https://b.example/"}
    assert "X-Anything" in answer["warning"]
    assert "verificationToken" in answer["warning"]


def test_the_page_keeps_masked_values_and_drops_them_for_another_host(planted: Planted) -> None:
    client, url = Client(), reverse("receipt_rules:endpoint", args=[planted.endpoint_id])
    client.force_login(planted.world.alice)
    shown = client.get(url).context["form"].initial
    form = {name: shown[name] for name in ("name", "url", "headers", "verification_token")}
    client.post(url, form | {"do": "save", "is_active": "on"})
    assert Endpoint.objects.get(pk=planted.endpoint_id).config["headers"] == {"X-Anything": HEADER}
    moved = client.post(url, form | {"do": "save", "is_active": "on", "url": "https://b.example/"}, follow=True)
    assert "Enter them again" in moved.text
    assert Endpoint.objects.get(pk=planted.endpoint_id).config == {"url": "https://b.example/"}


def test_no_log_line_contains_a_secret() -> None:
    formatter = _formatter()
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(formatter)
    logger = logging.getLogger("of.a.test")
    logger.addHandler(handler)
    try:
        _log_all(logger)
    finally:
        logger.removeHandler(handler)
    assert "something happened" in lines.getvalue()
    assert not [secret for secret in (HEADER, TOKEN, QUERY) if secret in lines.getvalue()]


def _formatter() -> logging.Formatter:
    given = dict(django_settings.LOGGING["formatters"]["line"])
    made: logging.Formatter = given.pop("()")(**given)
    return made


def _log_all(logger: logging.Logger) -> None:
    bound = structlog.wrap_logger(
        logger, processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter], wrapper_class=structlog.BoundLogger
    )
    bound.error("something happened", headers={"X-Any": HEADER}, deep={"list": [{"apiKey": TOKEN}]}, url=CONFIG["url"])
    logger.error("Not delivered to %s", CONFIG["url"])
    logger.error("Bearer %s", HEADER)
    try:
        int(str(CONFIG["url"]))
    except ValueError:
        logger.exception("something happened")


def test_resealing_covers_every_sealed_table(planted: Planted, settings: Any) -> None:
    """After resealing with a new first key, nothing needs the old key."""
    settings.SEALING_KEY = "a new key"
    counts = reseal_everything()
    assert sum(counts.values()) >= len(SEALED)
    settings.SECRET_KEY = "replaced as well"
    tables = {model._meta.db_table for model in SEALED}
    for table, text in all_rows():
        if "gAAAA" in text:
            assert table in tables
    assert Endpoint.objects.get(pk=planted.endpoint_id).config["headers"] == {"X-Anything": HEADER}
    factor = Authenticator.objects.get(user=planted.world.alice, type="totp")
    assert sealed.unseal(factor.data["secret"]) == f"{PLANT.upper()}TOTP"
