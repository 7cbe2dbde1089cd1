"""Behaviour common to all calls: sessions, scopes, repeated calls, rate limits and errors."""

import json
from collections import Counter
from enum import Enum
from typing import Any, get_args

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from pydantic import BaseModel
from pytest_django import Settings

from accounts.models.api_keys import ApiKey
from accounts.models.people import Customer, MemberRole, Membership, User
from accounts.roles import Role
from audit.models import ActorKind, Change
from inbound_admin.lib.api.schemas import In, Out
from public_api.domains import selectors as domains_selectors
from receipt_rules.models.endpoints import Endpoint
from tests.api_client import EVERYTHING, Api, api_of, description, ok, refused
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import make_endpoint, make_verified

pytestmark = pytest.mark.django_db
ENDPOINTS = "/api/v2/endpoints"
EMAIL = {"name": "me", "type": "email", "config": {"forwardTo": "a@b.com"}}


@pytest.fixture
def owner() -> User:
    return make_member(make_customer("Alice Ltd"))


@pytest.fixture
def alice(owner: User) -> Api:
    return api_of(owner)


# --- callers -------------------------------------------------------------------------------------------------------
def test_a_session_reads_and_writes_with_its_csrf_token(owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert client.get("/api/v2/domains").status_code == 200
    refused(client.post(ENDPOINTS, EMAIL, "application/json"), 403, "NO_CSRF_TOKEN")
    client.get("/domains/add/")
    token = client.cookies["csrftoken"].value
    made = client.post(ENDPOINTS, EMAIL, "application/json", headers={"X-CSRFToken": token})
    ok(made, 201)


def test_an_anonymous_call_is_asked_for_a_key_and_not_for_a_token() -> None:
    refused(Client(enforce_csrf_checks=True).post(ENDPOINTS, EMAIL, "application/json"), 401, "NO_KEY")


def test_only_a_staff_session_can_call_staff_operations(owner: User) -> None:
    customers, staffs = Client(), Client()
    customers.force_login(owner)
    staffs.force_login(make_staff(Role.OPERATOR))
    refused(customers.get("/api/v2/migrations"), 403, "STAFF_ONLY")
    assert ok(staffs.get("/api/v2/migrations"))["data"] == []


def test_a_read_key_cannot_write(owner: User) -> None:
    reader = api_of(owner, "read")
    ok(reader.get(ENDPOINTS))
    refused(reader.post(ENDPOINTS, EMAIL), 403, "SCOPE_MISSING")
    refused(api_of(owner, "write").get(ENDPOINTS), 403, "SCOPE_MISSING")
    assert not Endpoint.objects.exists()


def test_a_staff_key_without_the_staff_scope_sees_only_its_own_customers() -> None:
    olga = make_staff(Role.OPERATOR)
    make_verified("shop.com")
    assert ok(api_of(olga).get("/api/v2/domains"))["data"] == []
    assert len(ok(api_of(olga, "read", "staff").get("/api/v2/domains"))["data"]) == 1


def test_a_customer_cannot_create_a_staff_key(owner: User) -> None:
    with pytest.raises(Exception, match="is for staff"):
        api_of(owner, "read", "staff")


def test_the_change_log_distinguishes_a_key_from_a_person(alice: Api, owner: User) -> None:
    ok(alice.post(ENDPOINTS, EMAIL), 201)
    change = Change.objects.get(what="endpoint.added")
    key = ApiKey.objects.get()
    named = f"{owner.email} with API key test ({key.starts}…)"
    assert (change.actor_kind, change.actor_id, change.actor_name) == (ActorKind.KEY, str(owner.pk), named)


def test_other_origins_get_no_cors_headers(alice: Api) -> None:
    answer = Client().get("/api/v2/domains", headers={"Origin": "https://else.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


# --- repeated calls ------------------------------------------------------------------------------------------------
def test_a_repeated_call_returns_the_first_response(alice: Api) -> None:
    first = alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k1")
    again = alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k1")
    assert (ok(first, 201), again["Idempotent-Replayed"]) == (ok(again, 201), "true")
    assert Endpoint.objects.count() == 1
    assert Change.objects.filter(what="endpoint.added").count() == 1
    refused(alice.post(ENDPOINTS, EMAIL | {"name": "you"}, Idempotency_Key="k1"), 409, "IDEMPOTENCY_KEY_REUSED")
    ok(alice.post(ENDPOINTS, EMAIL | {"name": "you"}, Idempotency_Key="k2"), 201)


def test_a_repeated_call_that_created_a_secret_says_how_to_get_a_new_one(alice: Api) -> None:
    wanted = {"name": "Hook", "url": "https://hooks.example.com/a"}
    first = ok(alice.post("/api/v2/webhooks", wanted, Idempotency_Key="k"), 201)
    again = ok(alice.post("/api/v2/webhooks", wanted, Idempotency_Key="k"), 201)
    assert first["secret"]
    assert "secretMessage" not in first
    assert (again["id"], again["secret"]) == (first["id"], None)
    assert "POST /api/v2/webhooks/{id}/secret" in again["secretMessage"]
    rotated = ok(alice.post(f"/api/v2/webhooks/{first['id']}/secret", {}, Idempotency_Key="r"))
    lost = ok(alice.post(f"/api/v2/webhooks/{first['id']}/secret", {}, Idempotency_Key="r"))
    assert rotated["secret"] not in ("", None, first["secret"])
    assert (lost["secret"], lost["oldSecretUntil"]) == (None, rotated["oldSecretUntil"])
    assert lost["secretMessage"] == again["secretMessage"]


def test_a_repeated_refusal_returns_the_first_response(alice: Api) -> None:
    first = refused(alice.post(ENDPOINTS, EMAIL | {"config": {}}, Idempotency_Key="k"), 400, "ENDPOINT_CONFIG")
    again = alice.post(ENDPOINTS, EMAIL | {"config": {}}, Idempotency_Key="k")
    assert (refused(again, 400, "ENDPOINT_CONFIG"), again["Idempotent-Replayed"]) == (first, "true")


def test_a_call_in_progress_is_not_repeated_until_it_is_stale(alice: Api) -> None:
    ok(alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k"), 201)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE api_calls SET status = NULL, body = NULL")
    refused(alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k"), 409, "IN_PROGRESS")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE api_calls SET begun_at = begun_at - interval '1 hour'")
    refused(alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k"), 409, "ENDPOINT_NAME_TAKEN")


def test_two_callers_can_use_the_same_idempotency_key(alice: Api, owner: User) -> None:
    bob = api_of(make_member())
    ok(alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k"), 201)
    ok(bob.post(ENDPOINTS, EMAIL, Idempotency_Key="k"), 201)
    refused(alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k" * 256), 400, "BAD_IDEMPOTENCY_KEY")


def test_a_response_is_not_repeated_to_a_former_member(alice: Api, owner: User) -> None:
    ok(alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k"), 201)
    Membership.objects.get(user=owner).delete()
    said = refused(alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k"), 403, "ACCESS_CHANGED")
    assert not {"id", "config", "data"} & set(said)
    Membership.objects.create(user=owner, customer=make_customer("Other Ltd"))
    refused(alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k"), 403, "ACCESS_CHANGED")
    assert Endpoint.objects.count() == 1


def test_a_response_is_not_repeated_to_a_former_owner_or_to_staff_without_the_permission(
    alice: Api, owner: User
) -> None:
    olga = make_staff(Role.OPERATOR)
    staff = api_of(olga, *EVERYTHING, "staff")
    wanted = EMAIL | {"customerId": str(Membership.objects.get(user=owner).customer_id)}
    ok(staff.post(ENDPOINTS, wanted, Idempotency_Key="k", Reason="asked"), 201)
    ok(alice.post(ENDPOINTS, EMAIL | {"name": "you"}, Idempotency_Key="k"), 201)
    Membership.objects.filter(user=owner).update(role=MemberRole.MEMBER)
    olga.groups.set([Group.objects.get(name=Role.SUPPORT)])
    refused(alice.post(ENDPOINTS, EMAIL | {"name": "you"}, Idempotency_Key="k"), 403, "ACCESS_CHANGED")
    refused(staff.post(ENDPOINTS, wanted, Idempotency_Key="k", Reason="asked"), 403, "ACCESS_CHANGED")


def test_more_access_than_before_still_gets_the_first_response(owner: User, alice: Api) -> None:
    Membership.objects.filter(user=owner).update(role=MemberRole.MEMBER)
    first = ok(alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k"), 201)
    Membership.objects.filter(user=owner).update(role=MemberRole.OWNER)
    Membership.objects.create(user=owner, customer=make_customer("Other Ltd"))
    assert ok(alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k"), 201) == first
    with connection.cursor() as cursor:  # as the version before stored it
        cursor.execute("UPDATE api_calls SET access = NULL")
    assert ok(alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k"), 201) == first


def test_another_key_of_the_same_person_gets_no_stored_response(owner: User, alice: Api) -> None:
    ok(alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k"), 201)
    refused(api_of(owner).post(ENDPOINTS, EMAIL, Idempotency_Key="k"), 409, "ENDPOINT_NAME_TAKEN")


def test_a_call_that_failed_with_500_can_be_retried(alice: Api, broken: None) -> None:
    refused(alice.post(ENDPOINTS, EMAIL, Idempotency_Key="k"), 500, "INTERNAL")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM api_calls")
        assert cursor.fetchone() == (0,)


# --- rates ---------------------------------------------------------------------------------------------------------
def test_too_many_calls_are_429_with_retry_after(alice: Api, owner: User, settings: Settings) -> None:
    settings.API_CALLS_PER_MINUTE = 2
    ok(alice.get(ENDPOINTS))
    ok(alice.get(ENDPOINTS))
    answer = alice.get(ENDPOINTS)
    refused(answer, 429, "RATE_LIMITED")
    assert 25 <= int(answer["Retry-After"]) <= 30
    ok(api_of(owner).get(ENDPOINTS))  # another key has its own limit
    settings.API_CALLS_PER_MINUTE = 0
    ok(alice.get(ENDPOINTS))


# --- errors --------------------------------------------------------------------------------------------------------
@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Break the product in a place that the test does not check."""
    monkeypatch.setattr(Endpoint, "customer_id", property(lambda _: 1 / 0))


def test_an_internal_error_reveals_no_details(alice: Api, broken: None) -> None:
    make_endpoint_row = alice.post(ENDPOINTS, EMAIL)
    body = refused(make_endpoint_row, 500, "INTERNAL")
    assert "division" not in json.dumps(body)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_content_type_is_415(alice: Api, kind: str) -> None:
    headers = {"Authorization": f"Bearer {alice.secret}"}
    answer = Client().generic("POST", ENDPOINTS, json.dumps(EMAIL), kind, headers=headers)
    refused(answer, 415, "WRONG_CONTENT_TYPE")
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff",
        b"[" * 100_000,
        EMAIL | {"name": 1},
        EMAIL | {"name": None},
        EMAIL | {"name": "a\x00b"},
        EMAIL | {"name": "\ud800"},
        EMAIL | {"name": "a\nb"},
        EMAIL | {"type": "pigeon"},
        EMAIL | {"config": []},
        EMAIL | {"config": {"forwardTo": "\x00@b.com"}},
        EMAIL | {"config": {"\ud800": "a"}},
        EMAIL | {"description": "x" * 2001},
        {"name": "me"},
    ],
    ids=lambda body: str(body)[:40].encode("ascii", "replace").decode().replace("\x00", "0"),
)
def test_a_malformed_body_is_400_and_changes_nothing(alice: Api, body: Any) -> None:
    answer = alice.post(ENDPOINTS, body)
    assert answer.status_code == 400, answer.content
    assert {"error", "code"} <= set(answer.json())
    assert not Endpoint.objects.exists()


def test_a_huge_body_is_413(alice: Api, settings: Settings) -> None:
    refused(alice.post(ENDPOINTS, b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)), 413, "TOO_LARGE")


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": "x"}, {"offset": -1}, {"offset": 10**30}])
def test_an_impossible_limit_or_offset_is_400(alice: Api, query: dict[str, Any]) -> None:
    assert alice.get("/api/v2/alerts", **query).status_code == 400


@pytest.mark.parametrize("query", [{"limit": "x"}, {"search": "\x00"}])
def test_the_older_families_refuse_unreadable_parameters(alice: Api, query: dict[str, Any]) -> None:
    assert alice.get(ENDPOINTS, **query).status_code == 400


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": ""}, {"offset": -1}, {"offset": 10**30}])
def test_the_older_families_clamp_limit_and_offset(alice: Api, query: dict[str, Any]) -> None:
    assert alice.get(ENDPOINTS, **query).status_code == 200


@pytest.mark.parametrize("tail", ["%00", "%ED%A0%80", "%FF", "a" * 5000, "..", "ep_1/..", "'; --"])
def test_an_impossible_id_is_404(alice: Api, tail: str) -> None:
    answer = alice.get(f"{ENDPOINTS}/{tail}")
    assert answer.status_code == 404, answer.content
    assert answer.json()["code"] == "NOT_FOUND"


# --- its description -----------------------------------------------------------------------------------------------
def test_every_operation_is_described_with_its_errors_and_security() -> None:
    for path, methods in description()["paths"].items():
        for method, operation in methods.items():
            assert {"400", "401", "403", "404", "409", "415", "422", "429", "500", "503"} <= {
                str(status) for status in operation["responses"]
            }, (method, path)
            assert operation["security"], (method, path)
            assert operation["summary"], (method, path)


def _all_below(base: type[BaseModel]) -> list[type[BaseModel]]:
    return [base, *(below for each in base.__subclasses__() for below in _all_below(each))]


@pytest.mark.parametrize("base", [In, Out])
def test_schema_names_are_unique(base: type[BaseModel]) -> None:
    names = Counter(each.__name__ for each in set(_all_below(base)))
    assert [name for name, times in names.items() if times > 1] == []


def _enums_in(annotation: Any) -> set[type[Enum]]:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return {annotation}
    return {found for part in get_args(annotation) for found in _enums_in(part)}


def test_enum_names_are_unique() -> None:
    fields = [field for each in _all_below(Out) + _all_below(In) for field in each.model_fields.values()]
    kinds = {kind for field in fields for kind in _enums_in(field.annotation)}
    assert len({kind.__name__ for kind in kinds}) == len(kinds) > 1


def test_the_description_and_its_page_load_nothing_from_elsewhere(client: Client) -> None:
    assert client.get("/api/openapi.json").json()["openapi"].startswith("3.")
    page = client.get("/api/docs").content.decode()
    assert "//" not in page.replace("//testserver", "")


def test_the_status_words_match_the_rows(owner: User) -> None:
    customer = Customer.objects.get()
    made = {
        "verified": make_verified("a.com", customer=customer),
        "failed": make_verified("b.com", customer=customer, identity_status="FAILED"),
        "pending": make_verified("c.com", customer=customer, verified_at=None),
    }
    for status, domain in made.items():
        assert domains_selectors.status_of(domain) == status
        assert list(type(domain).objects.filter(domains_selectors.STATUS[status])) == [domain]


def test_a_key_shows_when_it_was_last_used(alice: Api) -> None:
    make_endpoint()
    ok(alice.get(ENDPOINTS))
    assert ApiKey.objects.get().last_used_at is not None
