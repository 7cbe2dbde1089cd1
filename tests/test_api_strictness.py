"""What the API refuses and does not ignore: unknown parameters, mistyped filters, unknown IDs, and dry runs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from django.conf import settings as product_settings
from pydantic_core.core_schema import ErrorType
from pytest_django import Settings

from accounts.roles import Role
from audit.core import OBJECT_TYPES
from audit.models import Change
from audit.services import record
from inbound_admin.lib.api import validation
from notifications.alerts.core import PAGES, REGION_PAGES, STAFF_PAGES
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, description, expire_waits, ok, operations, refused
from tests.api_rows import World, make_world
from tests.factories import make_staff
from tests.notifications.factories import domain_subject
from tests.receipt_rules.factories import make_endpoint, make_verified
from tests.test_api_access import TABLE
from tests.test_api_lists import LISTS

pytestmark = pytest.mark.django_db
FAMILIES = ("/api/v1.1/", "/api/e2/", "/api/inbound/", "/api/domain/")
WRITES = [(method, path) for method, path in operations() if method != "GET"]
# Words of the validation library, and names of our own classes.
FOREIGN = re.compile(
    r"(?i)pydantic|input should|unable to|valid (dictionary|integer|string|boolean|list)|instance of|extra inputs"
    r"|field required|value error|string should|list should|type=|_type|_parsing"
)


@pytest.fixture
def world(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> World:
    expire_waits(monkeypatch)
    settings.API_WAIT_SECONDS, settings.API_CALLS_PER_MINUTE = 0, 0
    return make_world()


@pytest.fixture
def alice(world: World) -> Api:
    return api_of(world.alice)


@pytest.fixture
def admin(world: World) -> Api:
    """Return an API with every scope, so that each operation reads its body."""
    return api_of(make_staff(Role.ADMIN), "read", "write", "staff", "route", "report")


def _send(api: Api, method: str, path: str, body: Any = None) -> Any:
    return api._call(method, path, body, {})


def _schema(shape: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference of the description."""
    reference = shape.get("$ref") or next((each["$ref"] for each in shape.get("anyOf", ()) if "$ref" in each), "")
    found: dict[str, Any] = description()["components"]["schemas"].get(reference.rpartition("/")[2], shape)
    return found


def _body_of(method: str, path: str) -> dict[str, Any] | None:
    """Return the schema of an operation's body, or None if it has none."""
    body = description()["paths"][path][method.lower()].get("requestBody")
    return _schema(body["content"]["application/json"]["schema"]) if body else None


def _parameters(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in description()["paths"][path]["get"].get("parameters", ()):
        if each["in"] == "query":
            yield each["name"], each["schema"]


# --- parameters ----------------------------------------------------------------------------------------------------
def test_a_write_with_an_unknown_parameter_is_refused_and_changes_nothing(world: World, admin: Api) -> None:
    before = Change.objects.count()
    for method, path in WRITES:
        row = TABLE[f"{method} {path}"]
        body = row.body(world) if row.body else None
        answer = _send(admin, method, f"{path.format(**world.ids)}?dryRun=true", body)
        problem = refused(answer, 400, "UNKNOWN_PARAMETER")
        assert problem["error"].startswith("Unknown query parameter: dryRun."), (method, path)
        assert problem["error"].endswith("Nothing was changed."), (method, path)
        assert problem["details"]["unknown"] == ["dryRun"]
        for name in problem["details"]["known"]:
            assert name in problem["error"], (method, path)
    assert Change.objects.count() == before


def test_a_read_with_an_unknown_parameter_names_the_known_ones(world: World, admin: Api) -> None:
    for path in (path for method, path in operations() if method == "GET"):
        problem = refused(admin.get(path.format(**world.ids), q="letters"), 400, "UNKNOWN_PARAMETER")
        assert set(problem["details"]["known"]) == {name for name, _ in _parameters(path)}, path
        assert set(problem["details"]["known"]) <= set(re.findall(r"\w+", problem["error"])), path


def test_a_filter_with_fixed_choices_names_them(world: World, admin: Api) -> None:
    tried = 0
    for path in (path for method, path in operations() if method == "GET"):
        for name, shape in _parameters(path):
            of_it = [shape, *shape.get("anyOf", ())]
            choices = {value for each in of_it for value in each.get("enum", ()) if value}
            if not choices and "boolean" not in [each.get("type") for each in of_it]:
                continue
            problem = refused(admin.get(path.format(**world.ids), **{name: "bogus"}), 400, "MALFORMED")
            (detail,) = problem["details"]
            assert detail["where"] == f"query.{name}", path
            assert choices <= set(re.findall(r"[\w-]+", detail["what"])) or "true or false" in detail["what"], detail
            tried += 1
    assert tried > 30


def test_an_empty_filter_of_the_published_families_is_ignored(world: World, alice: Api) -> None:
    for path in ("/api/v2/domains", "/api/e2/domains", "/api/v1.1/domains"):
        assert len(ok(alice.get(path, status="", canReceive="", limit="", offset=""))["data"]) == 1


@pytest.mark.parametrize(
    ("path", "name", "code"),
    [
        ("/api/v2/email-addresses", "domainId", "DOMAIN_MISSING"),
        ("/api/e2/email-addresses", "domainId", "DOMAIN_MISSING"),
        ("/api/v1.1/email-addresses", "domainId", "DOMAIN_MISSING"),
        ("/api/v2/deliveries", "domainId", "DOMAIN_MISSING"),
        ("/api/v2/deliveries", "endpointId", "ENDPOINT_MISSING"),
        ("/api/v2/deliveries", "customerId", "CUSTOMER_MISSING"),
        ("/api/v2/audit", "customerId", "CUSTOMER_MISSING"),
        ("/api/v2/webhooks/deliveries", "webhookId", "WEBHOOK_MISSING"),
    ],
)
def test_an_unknown_or_foreign_id_is_refused_in_a_filter(
    path: str, name: str, code: str, world: World, alice: Api
) -> None:
    bobs = make_verified("bob.com")
    foreign = {"domainId": bobs.pk, "endpointId": make_endpoint(bobs.customer).pk, "customerId": bobs.customer_id}
    for value in ("", "nope", foreign.get(name, "whk_none")):
        problem = refused(alice.get(path, **{name: value}), 400, code)
        assert problem["details"] == [{"where": f"query.{name}", "what": problem["error"]}]
    own = {"domainId": "domain_id", "endpointId": "endpoint_id", "customerId": "customer_id", "webhookId": "webhook_id"}
    ok(alice.get(path, **{name: world.ids[own[name]]}))


@pytest.mark.parametrize(
    ("path", "name", "known"),
    [
        ("/api/v2/audit", "what", "domain.added"),
        ("/api/v2/audit", "objectType", "domain"),
        *(("/api/v2/alerts", "objectType", each) for each in ("domain", "endpoint", "webhook", "address", "customer")),
        ("/api/v2/domains/{domain_id}/dns-history", "type", "MX"),
    ],
)
def test_an_unknown_value_is_refused_in_a_filter(path: str, name: str, known: str, world: World, alice: Api) -> None:
    address = path.format(**world.ids)
    assert known.partition(".")[0] in refused(alice.get(address, **{name: "nope"}), 400, "MALFORMED")["error"]
    ok(alice.get(address, **{name: known}))


def test_the_log_can_be_filtered_by_deleted_customers_and_former_events(admin: Api) -> None:
    refused(admin.get("/api/v2/audit", customerId="cus_deleted"), 400, "CUSTOMER_MISSING")
    refused(admin.get("/api/v2/audit", what="domain.forgotten"), 400, "MALFORMED")
    record("domain.forgotten", about=domain_subject("cus_deleted"), actor=None)
    assert len(ok(admin.get("/api/v2/audit", customerId="cus_deleted"))["data"]) == 1
    assert len(ok(admin.get("/api/v2/audit", what="domain.forgotten"))["data"]) == 1


@pytest.mark.parametrize("path", LISTS)
def test_the_description_has_the_limits_of_a_list(path: str) -> None:
    found = dict(_parameters(path))
    most = 500 if path.endswith("/endpoints") else 100
    assert (found["limit"]["minimum"], found["limit"]["maximum"], found["limit"]["default"]) == (1, most, 50)
    assert (found["offset"]["minimum"], found["offset"]["maximum"], found["offset"]["default"]) == (0, 1_000_000, 0)


# --- bodies --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["dryRun", "dry_run", "DRY-RUN", "isDryRun", "validateOnly", "simulate", "preview"])
def test_the_published_families_refuse_a_dry_run_field(name: str, world: World, alice: Api) -> None:
    body_sent = {"address": "new@shop.com", "domainId": world.domain.pk, name: False}
    for family in ("v2", "e2", "v1.1"):
        error = refused(alice.post(f"/api/{family}/email-addresses", body_sent), 400, "NO_DRY_RUN")["error"]
        assert error == f"{name} isn't a field of this call, which has no dry run."
    assert not Address.objects.filter(address="new@shop.com").exists()


@pytest.mark.parametrize("name", ["dryRun", "testMode", "commit"])
def test_a_member_inside_the_config_asks_for_a_dry_run_no_more_than_one_outside(
    name: str, world: World, alice: Api
) -> None:
    config = {"url": "https://hooks.example.com/office", name: True}
    for family in ("v2", "e2"):
        asked = {"name": "Office", "type": "webhook", "config": config}
        said = refused(alice.post(f"/api/{family}/endpoints", asked), 400, "NO_DRY_RUN")
        assert said["details"][0]["where"] == f"body.config.{name}"
    assert not Endpoint.objects.filter(name="Office").exists()


def test_every_write_refuses_a_dry_run_in_its_body(world: World, admin: Api) -> None:
    before = Change.objects.count()
    for method, path in WRITES:
        row = TABLE[f"{method} {path}"]
        body = (row.body(world) if row.body else None) or {}
        answer = _send(admin, method, path.format(**world.ids), body | {"dryRun": True})
        assert answer.status_code == 400, (method, path, answer.content)
        assert "dryRun" in answer.json()["error"], (method, path, answer.content)
    assert Change.objects.count() == before


def test_an_unexpected_body_is_refused_by_own_calls_and_named_by_published_ones(world: World) -> None:
    admin, alice = api_of(make_staff(Role.ADMIN), "read", "write", "staff"), api_of(world.alice)
    path = f"/api/v2/migrations/{world.item.migration_id}/start"
    refused(admin.post(path, {"onlyFirst": True}), 400, "UNKNOWN_MEMBER")
    ok(admin.post(path, {"reason": "a test"}), 202)
    answer = _send(alice, "DELETE", f"/api/v2/endpoints/{world.endpoint.pk}", {"zzz": 1})
    assert (ok(answer)["cleanup"]["domains"], answer["X-Ignored"]) == ([], "zzz")


def test_a_domain_of_nobody_in_a_body_is_404_as_the_published_contract_has_it(world: World, alice: Api) -> None:
    asked = {"address": "new@shop.com", "domainId": "dom_x"}
    for family in ("v2", "e2", "v1.1"):
        refused(alice.post(f"/api/{family}/email-addresses", asked), 404, "NOT_FOUND")
    asked = {"domain": "shop.com", "domainId": "dom_x"}
    refused(alice.post("/api/inbound/verify-domain", asked), 404, "NOT_FOUND")


def test_an_address_with_two_endpoints_is_refused(world: World, alice: Api) -> None:
    asked = {"address": "new@shop.com", "domainId": world.domain.pk}
    two = {"endpointId": world.endpoint.pk, "webhookId": "end_other"}
    refused(alice.post("/api/v2/email-addresses", asked | two), 400, "TWO_ENDPOINTS")


# --- messages ------------------------------------------------------------------------------------------------------
WRONG: tuple[Any, ...] = ([], ["zzz"], {"a": 1}, 3.5, True, "zzz", "", "x" * 3000, None, -1, [{}], "a\x00b")


def _problems(answer: Any) -> Iterator[str]:
    if answer.status_code == 400:
        body = answer.json()
        details = body.get("details") or []
        yield from (body["error"], *(each["what"] for each in details if isinstance(each, dict)))


def test_no_error_contains_words_of_the_validation_library_or_class_names(world: World, admin: Api) -> None:
    messages: set[str] = set()
    for method, path in WRITES:
        shape = _body_of(method, path)
        if shape is None:
            continue
        address = path.format(**dict.fromkeys(world.ids, "none"))
        bodies = [dict.fromkeys(shape.get("properties", {}), wrong) for wrong in WRONG]
        for body in (*bodies, {}, [], "zzz", 3, {"zzz": 1}):
            messages |= {f"{method} {path}: {words}" for words in _problems(_send(admin, method, address, body))}
    for path in (path for method, path in operations() if method == "GET"):
        address = path.format(**world.ids)
        for wrong in ("zzz", "-1", "", "1.5", "x" * 3000, "9" * 400):
            body_sent = {name: wrong for name, _ in _parameters(path)}
            messages |= (
                {f"{path}: {words}" for words in _problems(admin.get(address, **body_sent))} if body_sent else set()
            )
    classes = {name for name in description()["components"]["schemas"] if re.search(r"[a-z][A-Z]", name)}
    assert len(messages) > 300
    assert [words for words in messages if FOREIGN.search(words) or classes & set(re.findall(r"\w+", words))] == []
    assert [words for words in messages if not words.endswith((".", ":"))] == []


def test_every_kind_of_validation_error_has_a_message() -> None:
    for kind in get_args(ErrorType):
        error = {"type": kind, "loc": ("body", "asked", "rows", 0, "atMost"), "msg": "Input should be", "ctx": {}}
        words = validation.sentence(error)
        assert re.fullmatch(r"rows\[0\]\.atMost [a-z].+\.", words), words
        assert not FOREIGN.search(words), words


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({}, ["address is required.", "domainId is required."]),
        ({"address": 1, "domainId": []}, ["address must be a string.", "domainId must be a string."]),
        ([], ["The body must be an object."]),
        ({"address": "a\x00", "domainId": "x" * 2001, "isActive": "yes"}, None),
    ],
)
def test_the_message_says_what_is_expected(body: Any, details: list[str] | None, alice: Api) -> None:
    problem = refused(alice.post("/api/v2/email-addresses", body), 400, "MALFORMED")
    messages = [each["what"] for each in problem["details"]]
    assert messages == (
        details
        or [
            "address has a character that isn't allowed here, such as a control character.",
            "domainId must have at most 2000 characters.",
            "isActive must be true or false.",
        ]
    )
    assert messages[0] in problem["error"]


def test_a_filter_by_object_accepts_every_type_that_there_is(world: World, admin: Api) -> None:
    """Also while no row has the type: a program that waits for the first one must not get an error."""
    named = {found for path in _product_files() for found in _SUBJECT.findall(path.read_text())}
    assert {"endpoint", "webhook", "rule_set"} < named
    named |= {Address.kind, CatchAll.kind}
    assert {*PAGES, *STAFF_PAGES, *REGION_PAGES, "amazon"} | named == OBJECT_TYPES
    for name in OBJECT_TYPES:
        ok(admin.get("/api/v2/alerts", objectType=name))
        ok(admin.get("/api/v2/audit", objectType=name))


_SUBJECT = re.compile(r'\bSubject\(\s*"([a-z_]+)"')


def _product_files() -> Iterator[Path]:
    root = Path(product_settings.BASE_DIR)
    for app in ("accounts", "audit", "domains", "notifications", "operations", "receipt_rules", "tenants"):
        yield from (root / app).rglob("*.py")
