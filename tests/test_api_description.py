"""What the description shows beside the shapes, and what a refusal tells a newcomer."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from inbound_admin.api import api
from inbound_admin.lib.api.description import example_of
from tests.calling import api_of, description, refused
from tests.factories import make_customer, make_member

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


def test_no_name_of_ours_is_left(settings: Settings) -> None:
    settings.API_WAIT_SECONDS = 8.0
    shown = api.get_openapi_schema(path_prefix="/api")
    assert "up to 8 seconds" in shown["paths"]["/api/v2/domains"]["post"]["description"]
    assert set(shown["components"]["securitySchemes"]) == {"ApiKey", "Session"}
    assert shown["paths"]["/api/v2/domains"]["get"]["security"] == [{"ApiKey": []}, {"Session": []}]
    assert "API_WAIT_SECONDS" not in str(shown)
    assert "<key>" not in shown["info"]["description"]


def test_what_is_wrong_is_named_as_the_caller_wrote_it() -> None:
    alice = api_of(make_member(make_customer()))
    details = refused(alice.post("/api/v2/domains", {"domian": "shop.com"}), 400, "MALFORMED")["details"]
    assert [each["where"] for each in details] == ["body.domain", "domian"]


def test_what_is_not_there_is_named() -> None:
    alice = api_of(make_member(make_customer()))
    assert refused(alice.get("/api/v2/domains/dom_x"), 404, "NOT_FOUND")["error"] == "No domain has this ID."
    assert "slash" in refused(Client().get("/api/v2/domains/"), 404, "NOT_FOUND")["error"]
    assert refused(Client().get("/api/v2/nothing"), 404, "NOT_FOUND")["error"] == "No such path."


def test_a_customer_is_not_sent_to_look_for_a_scope_that_they_cannot_get() -> None:
    alice = api_of(make_member(make_customer()))
    assert refused(alice.get("/api/v2/drift"), 403, "SCOPE_MISSING")["error"] == "This operation is for staff only."
