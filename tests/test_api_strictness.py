"""What the API refuses rather than ignore: unknown parameters, mistyped filters, IDs of nobody, and dry runs.

A program that gets every row for a mistyped filter may delete every row; one that asks for a dry run changes nothing.
"""

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic_core.core_schema import ErrorType
from pytest_django import Settings

from accounts.roles import Role
from audit.models import Change
from audit.services import record
from inbound_admin.lib.api import validation
from receipt_rules.models.addresses import Address
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, description, never_waiting, ok, operations, refused
from tests.api_rows import World, make_world
from tests.factories import make_staff
from tests.notifications.factories import domain_subject
from tests.receipt_rules.factories import make_endpoint, make_verified
from tests.test_api_access import TABLE
from tests.test_api_lists import LISTS

pytestmark = pytest.mark.django_db
FAMILIES = ("/api/v1.1/", "/api/e2/", "/api/inbound/", "/api/domain/")
WRITES = [(method, path) for method, path in operations() if method != "GET"]
# Of the validation library, and the names of our own classes.
FOREIGN = re.compile(
    r"(?i)pydantic|input should|unable to|valid (dictionary|integer|string|boolean|list)|instance of|extra inputs"
    r"|field required|value error|string should|list should|type=|_type|_parsing"
)


@pytest.fixture
def world(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> World:
    never_waiting(monkeypatch)
    settings.API_WAIT_SECONDS, settings.API_CALLS_PER_MINUTE = 0, 0
    return make_world()


@pytest.fixture
def alice(world: World) -> Api:
    return api_of(world.alice)


@pytest.fixture
def admin(world: World) -> Api:
    """With every scope, so that each operation reads what it is sent."""
    return api_of(make_staff(Role.ADMIN), "read", "write", "staff", "route", "report")


def _sent(api: Api, method: str, path: str, body: Any = None) -> Any:
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
def test_a_write_with_an_unknown_parameter_changes_nothing_and_names_it(world: World, admin: Api) -> None:
    before = Change.objects.count()
    for method, path in WRITES:
        row = TABLE[f"{method} {path}"]
        body = row.body(world) if row.body else None
        answer = _sent(admin, method, f"{path.format(**world.ids)}?dryRun=true", body)
        problem = refused(answer, 400, "UNKNOWN_PARAMETER")
        assert problem["error"].startswith("Unknown query parameter: dryRun."), (method, path)
        assert problem["error"].endswith("Nothing was changed."), (method, path)
        assert problem["details"]["unknown"] == ["dryRun"]
        for name in problem["details"]["known"]:
            assert name in problem["error"], (method, path)
    assert Change.objects.count() == before


def test_a_read_with_an_unknown_parameter_names_those_that_there_are(world: World, admin: Api) -> None:
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


def test_an_empty_choice_of_the_published_families_is_absent(world: World, alice: Api) -> None:
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
def test_an_id_of_nobody_or_of_another_customer_is_refused_in_a_filter(
    path: str, name: str, code: str, world: World, alice: Api
) -> None:
    bobs = make_verified("bob.com")
    anothers = {"domainId": bobs.pk, "endpointId": make_endpoint(bobs.customer).pk, "customerId": bobs.customer_id}
    for value in ("", "nope", anothers.get(name, "whk_none")):
        problem = refused(alice.get(path, **{name: value}), 400, code)
        assert problem["details"] == [{"where": f"query.{name}", "what": problem["error"]}]
    own = {"domainId": "domain_id", "endpointId": "endpoint_id", "customerId": "customer_id", "webhookId": "webhook_id"}
    ok(alice.get(path, **{name: world.ids[own[name]]}))


@pytest.mark.parametrize(
    ("path", "name", "known"),
    [
        ("/api/v2/audit", "what", "domain.added"),
        ("/api/v2/audit", "objectType", "domain"),
        ("/api/v2/alerts", "objectType", "domain"),
        ("/api/v2/domains/{domain_id}/dns-history", "type", "MX"),
    ],
)
def test_a_word_that_nothing_has_is_refused_in_a_filter(
    path: str, name: str, known: str, world: World, alice: Api
) -> None:
    address = path.format(**world.ids)
    assert known.partition(".")[0] in refused(alice.get(address, **{name: "nope"}), 400, "MALFORMED")["error"]
    ok(alice.get(address, **{name: known}))


def test_the_log_still_shows_a_customer_that_is_deleted_and_a_verb_of_an_earlier_version(admin: Api) -> None:
    refused(admin.get("/api/v2/audit", customerId="cus_deleted"), 400, "CUSTOMER_MISSING")
    refused(admin.get("/api/v2/audit", what="domain.forgotten"), 400, "MALFORMED")
    record("domain.forgotten", about=domain_subject("cus_deleted"), actor=None)
    assert len(ok(admin.get("/api/v2/audit", customerId="cus_deleted"))["data"]) == 1
    assert len(ok(admin.get("/api/v2/audit", what="domain.forgotten"))["data"]) == 1


@pytest.mark.parametrize("path", LISTS)
def test_the_description_has_the_bounds_of_a_list(path: str) -> None:
    found = dict(_parameters(path))
    most = 500 if path.endswith("/endpoints") else 100
    assert (found["limit"]["minimum"], found["limit"]["maximum"], found["limit"]["default"]) == (1, most, 50)
    assert (found["offset"]["minimum"], found["offset"]["maximum"], found["offset"]["default"]) == (0, 1_000_000, 0)


# --- bodies --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["dryRun", "dry_run", "DRY-RUN", "isDryRun", "validateOnly", "simulate", "preview"])
def test_a_member_that_asks_for_a_dry_run_is_refused_by_the_published_families(
    name: str, world: World, alice: Api
) -> None:
    asked = {"address": "new@shop.com", "domainId": world.domain.pk, name: False}
    for family in ("v2", "e2", "v1.1"):
        said = refused(alice.post(f"/api/{family}/email-addresses", asked), 400, "NO_DRY_RUN")["error"]
        assert said == f"{name} isn't a field of this call, which has no dry run."
    assert not Address.objects.filter(address="new@shop.com").exists()


def test_every_write_refuses_a_dry_run_in_its_body(world: World, admin: Api) -> None:
    before = Change.objects.count()
    for method, path in WRITES:
        row = TABLE[f"{method} {path}"]
        body = (row.body(world) if row.body else None) or {}
        answer = _sent(admin, method, path.format(**world.ids), body | {"dryRun": True})
        assert answer.status_code == 400, (method, path, answer.content)
        assert "dryRun" in answer.json()["error"], (method, path, answer.content)
    assert Change.objects.count() == before


def test_a_body_where_none_is_read_is_refused_by_ours_and_named_by_the_published_families(world: World) -> None:
    admin, alice = api_of(make_staff(Role.ADMIN), "read", "write", "staff"), api_of(world.alice)
    path = f"/api/v2/migrations/{world.item.migration_id}/start"
    refused(admin.post(path, {"onlyFirst": True}), 400, "UNKNOWN_MEMBER")
    ok(admin.post(path, {"reason": "a test"}), 202)
    answer = _sent(alice, "DELETE", f"/api/v2/endpoints/{world.endpoint.pk}", {"zzz": 1})
    assert (ok(answer)["cleanup"]["domains"], answer["X-Ignored"]) == ([], "zzz")


# --- the words -----------------------------------------------------------------------------------------------------
WRONG: tuple[Any, ...] = ([], ["zzz"], {"a": 1}, 3.5, True, "zzz", "", "x" * 3000, None, -1, [{}], "a\x00b")


def _problems(answer: Any) -> Iterator[str]:
    if answer.status_code == 400:
        body = answer.json()
        details = body.get("details") or []
        yield from (body["error"], *(each["what"] for each in details if isinstance(each, dict)))


def test_no_error_shows_the_words_of_the_validation_library_or_a_class_of_ours(world: World, admin: Api) -> None:
    said: set[str] = set()
    for method, path in WRITES:
        shape = _body_of(method, path)
        if shape is None:
            continue
        address = path.format(**dict.fromkeys(world.ids, "none"))
        bodies = [dict.fromkeys(shape.get("properties", {}), wrong) for wrong in WRONG]
        for body in (*bodies, {}, [], "zzz", 3, {"zzz": 1}):
            said |= {f"{method} {path}: {words}" for words in _problems(_sent(admin, method, address, body))}
    for path in (path for method, path in operations() if method == "GET"):
        address = path.format(**world.ids)
        for wrong in ("zzz", "-1", "", "1.5", "x" * 3000, "9" * 400):
            asked = {name: wrong for name, _ in _parameters(path)}
            said |= {f"{path}: {words}" for words in _problems(admin.get(address, **asked))} if asked else set()
    classes = {name for name in description()["components"]["schemas"] if re.search(r"[a-z][A-Z]", name)}
    assert len(said) > 300
    assert [words for words in said if FOREIGN.search(words) or classes & set(re.findall(r"\w+", words))] == []
    assert [words for words in said if not words.endswith((".", ":"))] == []


def test_every_kind_of_error_has_words() -> None:
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
def test_the_words_say_what_is_wanted(body: Any, details: list[str] | None, alice: Api) -> None:
    problem = refused(alice.post("/api/v2/email-addresses", body), 400, "MALFORMED")
    said = [each["what"] for each in problem["details"]]
    assert said == (
        details
        or [
            "address has a character that isn't allowed here, such as a control character.",
            "domainId must have at most 2000 characters.",
            "isActive must be true or false.",
        ]
    )
    assert said[0] in problem["error"]
