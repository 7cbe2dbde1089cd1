"""The API description besides its schemas, and the error messages for newcomers."""

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from django.test import Client
from pytest_django import Settings

from inbound_admin.api import api
from inbound_admin.lib.api.description import TAGS, example_of
from inbound_admin.lib.api.examples import REQUESTS
from tests.api_client import api_of, description, refused
from tests.factories import make_customer, make_member
from tests.test_words import APPS

pytestmark = pytest.mark.django_db


def test_a_field_with_a_pattern_has_an_example() -> None:
    fields = description()["components"]["schemas"]["DomainAdded"]["properties"]
    assert fields["domain"]["examples"] == ["shop.example.com"]
    assert fields["customerId"]["examples"][0].startswith("cus_")
    (parameter,) = (
        each
        for each in description()["paths"]["/api/v2/domains/{domain_id}"]["get"]["parameters"]
        if each["in"] == "path"
    )
    assert parameter["example"].startswith("dom_")


@pytest.mark.parametrize(
    ("name", "field", "example"),
    [
        ("domain_id", {"type": "string"}, "dom_"),
        ("recipients", {"type": "array"}, ["orders@shop.example.com"]),
        ("events", {"anyOf": [{"type": "array"}]}, ["text"]),
    ],
)
def test_an_example_has_the_type_of_its_field(name: str, field: dict[str, Any], example: Any) -> None:
    found = example_of(name, field)
    assert found.startswith(example) if isinstance(example, str) else found == example


def test_every_error_has_an_example_with_its_code() -> None:
    for methods in description()["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert response["content"]["application/json"]["example"]["code"].isupper()


def test_the_description_contains_no_internal_names(settings: Settings) -> None:
    settings.API_WAIT_SECONDS = 8.0
    shown = api.get_openapi_schema(path_prefix="/api")
    assert "up to 8 seconds" in shown["paths"]["/api/v2/domains"]["post"]["description"]
    assert set(shown["components"]["securitySchemes"]) == {"ApiKey", "Session"}
    assert shown["paths"]["/api/v2/domains"]["get"]["security"] == [{"ApiKey": []}, {"Session": []}]
    assert "API_WAIT_SECONDS" not in str(shown)
    assert "<key>" not in shown["info"]["description"]


def test_an_error_names_the_field_as_the_caller_wrote_it() -> None:
    alice = api_of(make_member(make_customer()))
    details = refused(alice.post("/api/v2/domains", {"domian": "shop.com"}), 400, "MALFORMED")["details"]
    assert [each["where"] for each in details] == ["body.domain", "domian"]


def test_a_404_says_what_is_missing() -> None:
    alice = api_of(make_member(make_customer()))
    assert refused(alice.get("/api/v2/domains/dom_x"), 404, "NOT_FOUND")["error"] == "No domain has this ID."
    assert "slash" in refused(Client().get("/api/v2/domains/"), 404, "NOT_FOUND")["error"]
    assert refused(Client().get("/api/v2/nothing"), 404, "NOT_FOUND")["error"] == "No such path."


def test_a_customer_gets_403_with_staff_only_as_the_reason() -> None:
    alice = api_of(make_member(make_customer()))
    assert refused(alice.get("/api/v2/drift"), 403, "SCOPE_MISSING")["error"] == "This operation is for staff only."


def _operations() -> list[dict[str, Any]]:
    return [operation for methods in description()["paths"].values() for operation in methods.values()]


# A summary is one of these verbs and an object.
VERBS = (
    "List Get Add Create Change Set Delete Remove Test Send Resend Verify Start Pause Resume Cancel Stop Retry Roll "
    "Plan Approve Accept Simulate Resolve Check Read Diagnose Export Email Revoke Turn Schedule Act Look Report "
    "Redeliver Acknowledge Mute Unmute Rotate Preview"
).split()


def test_a_summary_is_a_verb_and_an_object() -> None:
    for operation in _operations():
        verb, _, thing = operation["summary"].partition(" ")
        assert verb in VERBS, operation["summary"]
        assert thing, operation["operationId"]
        assert len(operation["summary"]) <= 60, operation["summary"]


def test_every_operation_has_a_description_in_sentences() -> None:
    for operation in _operations():
        text = operation.get("description", "")
        assert text.endswith("."), operation["operationId"]
        assert not re.search(r"\b(Amazon|anew|beside|is told|at hand|nobody's)\b", text), text


def test_every_code_in_a_description_exists_in_the_product() -> None:
    root = Path(__file__).resolve().parents[1]
    code = "".join(path.read_text() for app in APPS for path in (root / app).rglob("*.py") if path.name != "api.py")
    code += (root / "inbound_admin" / "api.py").read_text()
    files = (*root.glob("*/api.py"), *root.glob("*/*/api.py"))
    used = {code_of for path in files for code_of in re.findall(r'code="(\w+)"', path.read_text())}
    named = {found for each in _operations() for found in re.findall(r"`([A-Z][A-Z_]{4,})`", each["description"])}
    assert len(named) > 40
    assert [each for each in sorted(named) if f'"{each}"' not in code and each not in used] == []


def test_an_example_body_fits_its_schema() -> None:
    components = {"components": description()["components"]}
    tried = set()
    for operation in _operations():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        validator = jsonschema_rs.validator_for(content.get("schema", {}) | components)
        for name, example in content.get("examples", {}).items():
            assert [each.message for each in validator.iter_errors(example["value"])] == [], (operation, name)
            tried.add(operation["operationId"])
    assert tried == set(REQUESTS)


def test_every_tag_has_a_description() -> None:
    assert {tag for operation in _operations() for tag in operation["tags"]} == set(TAGS)


def test_every_query_parameter_has_a_description() -> None:
    for operation in _operations():
        for each in operation.get("parameters", ()):
            text = each.get("description") or each["schema"].get("description")
            assert text or each["in"] == "path", (operation["operationId"], each["name"])
