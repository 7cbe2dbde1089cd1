"""The route lookup API: who receives a recipient's mail, and the errors for invalid requests."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.api_keys.services import create_api_key, revoke_api_key
from accounts.models.api_keys import ApiKey
from accounts.models.people import User
from inbound_admin.api import api
from inbound_admin.lib.api import answers
from inbound_admin.lib.errors import AwsBusy, RateLimited
from receipt_rules.models.addresses import CatchAll
from receipt_rules.models.endpoints import EndpointType
from receipt_rules.models.runs import ActiveRuleSet
from receipt_rules.route_lookup.api import RoutesOut
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_endpoint, make_operator, make_verified

pytestmark = pytest.mark.django_db
URL = "/api/v2/route-lookup"


@pytest.fixture
def olga() -> User:
    return make_operator()


@pytest.fixture
def secret(olga: User) -> str:
    return create_api_key(user=olga, name="the function", scopes=["route"], actor=None).secret


def post_lookup(body: Any, secret: str = "", **headers: str) -> Any:
    """Send `body`, as JSON unless it is bytes, with a client that has no session and checks CSRF."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Authorization": f"Bearer {secret}"} if secret else {}
    return Client(enforce_csrf_checks=True).post(URL, sent, "application/json", headers=given | headers)


def look_up(secret: str, *recipients: str) -> list[dict[str, Any]]:
    answer = post_lookup({"recipients": recipients}, secret)
    assert answer.status_code == 200, answer.content
    RoutesOut(**answer.json())  # exactly as its schema says
    data: list[dict[str, Any]] = answer.json()["data"]
    assert [each["recipient"] for each in data] == list(recipients)
    return data


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert body["error"].endswith((".", ":"))
    return body


def test_the_exact_address_precedes_the_subdomain_and_the_domain(secret: str) -> None:
    acme = make_customer()
    shop = make_verified("shop.com", customer=acme)
    desk, rest, below = (make_endpoint(acme, name=name) for name in ("desk", "rest", "below"))
    billing = make_address("billing@shop.com", shop, endpoint=desk)
    everything = CatchAll.objects.create(domain=shop, endpoint=rest)
    under = CatchAll.objects.create(domain=shop, endpoint=below, subdomains=True)
    asked = ("Billing@shop.com", "billing+june@shop.com", "x@shop.com", "x@eu.shop.com", "x@else.com", "nonsense")
    answers = look_up(secret, *asked)
    results = [(each["because"], each["owner"] and each["owner"]["id"]) for each in answers]
    assert results == [
        ("address", billing.id),
        ("label", billing.id),
        ("domain", everything.id),
        ("subdomain", under.id),
        ("nobody", None),
        ("nobody", None),
    ]
    assert [each["endpoint"] and each["endpoint"]["name"] for each in answers[:4]] == ["desk", "desk", "rest", "below"]
    assert answers[4] == {
        "recipient": "x@else.com",
        "because": "nobody",
        "owner": None,
        "domain": None,
        "endpoint": None,
        "awaitsConfirmation": False,
        "sharedName": False,
        "stores": [{"bucket": "inbound-mail", "prefix": ""}],
    }
    assert answers[3]["owner"] == {"id": under.id, "type": "catchAll", "recipient": ".shop.com", "isActive": True}
    assert answers[0]["domain"] == {"id": shop.id, "name": "shop.com"}


def test_a_function_that_claims_messages_says_so_and_learns_which_names_are_shared(secret: str) -> None:
    here = ActiveRuleSet.objects.create(region=settings.AWS_REGION, read_at=timezone.now(), changed_at=timezone.now())
    make_verified("shop.com")
    make_verified("track.shop.com", customer=make_customer("Bob"))
    names = ("a@shop.com", "a@track.shop.com", "a@deep.track.shop.com", "a@other.shop.com")
    assert [each["sharedName"] for each in look_up(secret, *names)] == [False, True, True, False]
    here.refresh_from_db()
    assert not here.claims_mail
    assert post_lookup({"recipients": ["a@shop.com"]}, secret, **{"X-Inbound-Admin-Claims": "1"}).status_code == 200
    here.refresh_from_db()
    assert here.claims_mail


@pytest.mark.parametrize(
    ("kind", "stored", "shown"),
    [
        (EndpointType.WEBHOOK, {"url": "https://a.example/"}, {"url": "https://a.example/"}),
        (EndpointType.EMAIL, {"address": "a@b.example"}, {"forwardTo": "a@b.example"}),
        (EndpointType.EMAIL_GROUP, {"addresses": ["a@b.example"]}, {"emails": ["a@b.example"]}),
    ],
)
def test_an_endpoints_config_uses_the_published_field_names(
    secret: str, kind: str, stored: dict[str, Any], shown: dict[str, Any], settings: Settings
) -> None:
    settings.FORWARD_WITHOUT_CONFIRMATION = True
    acme = make_customer()
    endpoint = make_endpoint(acme, name="desk", type=kind, config=stored)
    make_address("a@shop.com", make_verified("shop.com", customer=acme), endpoint=endpoint)
    (answer,) = look_up(secret, "a@shop.com")
    expected = {"id": endpoint.id, "name": "desk", "type": kind, "config": shown, "isActive": True}
    assert answer["endpoint"] == expected


def test_a_disabled_address_or_endpoint_gets_no_delivery(secret: str) -> None:
    acme = make_customer()
    shop = make_verified("shop.com", customer=acme)
    make_address("off@shop.com", shop, endpoint=make_endpoint(acme), is_active=False)
    make_address("away@shop.com", shop, endpoint=make_endpoint(acme, is_active=False))
    off, away = look_up(secret, "off@shop.com", "away@shop.com")
    assert (off["because"], off["owner"]["isActive"], off["endpoint"]) == ("off", False, None)
    assert (away["because"], away["owner"]["isActive"], away["endpoint"]) == ("address", True, None)


def test_a_hundred_recipients_need_no_more_queries_than_one(secret: str) -> None:
    shop = make_verified("shop.com")
    for number in range(100):
        make_address(f"a{number}@shop.com", shop)
    look_up(secret, "a0@shop.com")  # the first request stores when the key was used
    counts = []
    for many in (1, 100):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            look_up(secret, *(f"a{number}@shop.com" for number in range(many)))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 7


# --- authentication ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer ia_nobodys", "Bearer ké"])
def test_a_missing_or_invalid_key_is_401(header: str | None) -> None:
    answer = post_lookup({"recipients": ["a@shop.com"]}, **({} if header is None else {"Authorization": header}))
    assert answer.status_code == 401
    assert answer.json()["code"] in ("NO_KEY", "BAD_KEY")
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Content-Type"].startswith("application/json")


def test_a_session_is_no_substitute_for_a_key(olga: User, client: Client) -> None:
    client.force_login(olga)
    refused(client.post(URL, {"recipients": ["a@shop.com"]}, "application/json"), 401, "NO_KEY")


def test_a_revoked_expired_or_differently_scoped_key_is_refused(secret: str, olga: User) -> None:
    asked = {"recipients": ["a@shop.com"]}
    other = create_api_key(user=olga, name="reader", scopes=["read", "write", "staff"], actor=None).secret
    refused(post_lookup(asked, other), 403, "SCOPE_MISSING")
    key = ApiKey.objects.get(name="the function")
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    refused(post_lookup(asked, secret), 401, "KEY_EXPIRED")
    revoke_api_key(key=key, actor=olga)
    refused(post_lookup(asked, secret), 401, "KEY_REVOKED")


def test_a_customers_key_cannot_use_the_route_lookup(secret: str) -> None:
    ApiKey.objects.update(user=make_member())
    refused(post_lookup({"recipients": ["a@shop.com"]}, secret), 403, "STAFF_ONLY")


# --- invalid requests --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"recipients": ["\\ud800@shop.com"]}',
        b'{"recipients": [' + b"9" * 5000 + b"]}",
        {},
        {"recipients": "a@shop.com"},
        {"recipients": None},
        {"recipients": []},
        {"recipients": [1]},
        {"recipients": [None]},
        {"recipients": [""]},
        {"recipients": ["a\x00@shop.com"]},
        {"recipients": ["a@shop.com\n"]},
        {"recipients": ["a" * 321]},
        {"recipients": ["a@shop.com"] * 101},
        {"recipients": ["a@shop.com"], "domain": "shop.com"},
    ],
    ids=lambda body: (body if isinstance(body, bytes) else json.dumps(body).encode())[:40].decode("ascii", "replace"),
)
def test_a_malformed_body_is_400(secret: str, body: Any) -> None:
    refused(post_lookup(body, secret), 400, "MALFORMED")


def test_the_error_details_name_the_field_and_the_problem(secret: str) -> None:
    details = refused(post_lookup({"recipients": ["a@shop.com", 1]}, secret), 400, "MALFORMED")["details"]
    assert details == [{"where": "body.recipients.1", "what": "recipients[1] must be a string."}]


def test_a_huge_body_is_413(secret: str, settings: Settings) -> None:
    body = b'{"recipients": ["' + b"a" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b'"]}'
    refused(post_lookup(body, secret), 413, "TOO_LARGE")


def test_every_path_below_api_answers_in_json(client: Client) -> None:
    assert client.get("/api/")["Location"] == "/api/docs"
    for path in ("/api/v2/nothing", f"{URL}/", "/api/docs/nothing"):
        refused(client.get(path), 404, "NOT_FOUND")
    answer = client.get(URL)
    refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer["Allow"] == "POST"


def test_a_problem_response_keeps_status_code_and_the_aws_details() -> None:
    busy = answers.problem_response(AwsBusy("Amazon is busy.", aws_code="Throttling", request_id="r-1"))
    assert busy.status_code == 503
    assert json.loads(busy.content)["details"] == {"awsCode": "Throttling", "requestId": "r-1"}
    soon = answers.problem_response(RateLimited("Too soon.", retry_after=7))
    assert (soon.status_code, soon["Retry-After"]) == (429, "7")


# --- its schema --------------------------------------------------------------------------------------------------
def test_the_openapi_schema_lists_every_error(client: Client) -> None:
    described = client.get("/api/openapi.json").json()
    operation = described["paths"][URL]["post"]
    assert {"200", "400", "401", "403", "413", "422", "429"} <= set(operation["responses"])
    assert operation["security"]
    assert described == json.loads(json.dumps(api.get_openapi_schema()))


def test_the_api_docs_page_loads_nothing_from_other_hosts(client: Client) -> None:
    page = client.get("/api/docs").content.decode()
    assert "swagger-ui-bundle.js" in page
    assert "//" not in page.replace("//testserver", "")


def test_the_command_creates_a_key_for_the_route_lookup(olga: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_api_key", olga.email, name="f", scopes=["route"])
    assert look_up(capsys.readouterr().out.strip(), "a@shop.com")[0]["because"] == "nobody"
