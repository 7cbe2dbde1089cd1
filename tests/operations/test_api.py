"""The API of what spans the apps: pauses, migrations, drift, the change log, alerts, webhooks."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import MemberRole
from accounts.roles import Role
from audit.models import Change
from audit.services import record
from notifications.models.webhooks import WebhookTarget
from operations.migration_steps import services as migration_steps_services
from receipt_rules.auto_apply.services import work
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.api_client import Api, api_of, ok, refused
from tests.factories import make_customer, make_member, make_staff
from tests.notifications.factories import domain_subject, make_delivery, make_target, observe_condition, raise_alert
from tests.operations.factories import make_difference, make_sender
from tests.receipt_rules.factories import make_address, make_verified, rule_count, set_up_receiving
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db
PAUSE = {"reason": "spam", "text": "Traps were hit.", "told": "Clean your list."}


def _staff(role: Role) -> Api:
    return api_of(make_staff(role), "read", "write", "staff")


# --- pausing -------------------------------------------------------------------------------------------------------
def test_a_pause_is_previewed_requested_and_pausing_until_ses_confirms() -> None:
    tenant, tess = make_tenant(), _staff(Role.TRUST_AND_SAFETY)
    shown = ok(tess.get(f"/api/v2/tenants/{tenant.pk}/pause"))
    assert (shown["changesAnything"], shown["receiving"]) == (True, None)
    begun = ok(tess.post(f"/api/v2/tenants/{tenant.pk}/pause", PAUSE), 202)
    assert ok(tess.get(begun["statusUrl"]))["standing"] == "pausing"
    refused(tess.post(f"/api/v2/tenants/{tenant.pk}/pause", PAUSE), 422, "PAUSED_ALREADY")
    past = PAUSE | {"reviewOn": "2020-01-01"}
    assert tess.post(f"/api/v2/tenants/{make_tenant().pk}/pause", past).status_code == 422
    assert tess.post(f"/api/v2/tenants/{tenant.pk}/pause", PAUSE | {"reviewOn": 5}).status_code == 400


def test_receiving_stops_with_the_pause_by_the_previewed_plan(sandbox: Sandbox) -> None:
    customer = make_customer("Alice Ltd")
    make_address("a@shop.com", make_verified("shop.com", customer=customer))
    set_up_receiving()
    tenant, tess = make_tenant(customer), _staff(Role.TRUST_AND_SAFETY)
    address = f"/api/v2/tenants/{tenant.pk}/pause"
    plan = ok(tess.get(address, stopsReceiving="true"))["receiving"]
    also = PAUSE | {"stopsReceiving": True}
    refused(tess.post(address, also), 409, "PLAN_CHANGED")
    ok(tess.post(address, also | {"receivingDigest": plan["digest"]}), 202)
    work()
    assert rule_count("a@shop.com") == 0


# --- migrations ----------------------------------------------------------------------------------------------------
def test_customers_are_migrated_followed_and_rolled_back(sandbox: Sandbox) -> None:
    olga, customer = _staff(Role.OPERATOR), make_sender("Alice Ltd", domains=2)
    asked = {"chosen": "customers", "customers": [customer.pk], "because": "The order of the day."}
    planned = ok(olga.post("/api/v2/migrations", asked), 201)
    assert (planned["state"], planned["customers"]) == ("planned", 1)
    address = f"/api/v2/migrations/{planned['id']}"
    assert not Tenant.objects.exists()
    ok(olga.post(f"{address}/start"), 202)
    migration_steps_services.work()
    assert ok(olga.get(address))["byGroup"]["done"] == 1
    (item,) = ok(olga.get(f"{address}/items", group="done"))["data"]
    one = ok(olga.get(f"{address}/items/{item['id']}"))
    assert one["stepsDone"] == one["stepsTotal"] == len(one["steps"]) > 2
    refused(olga.post(f"{address}/retry"), 422, "NOTHING_TO_DO")
    refused(olga.post(f"{address}/rollback", {"because": " "}), 422, "REASON_MISSING")
    ok(olga.post(f"{address}/rollback", {"because": "Not yet."}), 202)
    migration_steps_services.work()
    assert ok(olga.get(address))["byGroup"]["back"] == 1


def test_a_migration_without_customers_is_refused() -> None:
    olga = _staff(Role.OPERATOR)
    for asked in ({"chosen": "all"}, {"chosen": "customers", "customers": []}):
        refused(olga.post("/api/v2/migrations", asked | {"because": "x"}), 422, "NOBODY")
    refused(olga.post("/api/v2/migrations", {"chosen": "filter", "because": "x"}), 422, "FILTER_MISSING")
    missing = {"chosen": "customers", "customers": ["cus_none"], "because": "x"}
    refused(olga.post("/api/v2/migrations", missing), 400, "CUSTOMER_MISSING")


# --- drift ---------------------------------------------------------------------------------------------------------
def test_a_decided_difference_leaves_the_open_ones() -> None:
    olga, row = _staff(Role.OPERATOR), make_difference(make_customer())
    assert ok(olga.get("/api/v2/drift"))["pagination"]["total"] == 1
    address = f"/api/v2/drift/{row.pk}/decision"
    decided = ok(olga.post(address, {"decision": "ignore", "because": "It is meant so."}))
    assert (decided["decision"], decided["because"]) == ("ignore", "It is meant so.")
    assert ok(olga.get("/api/v2/drift"))["data"] == []
    assert len(ok(olga.get("/api/v2/drift", show="ignored"))["data"]) == 1


def test_a_drift_check_is_queued_for_the_worker() -> None:
    olga = _staff(Role.OPERATOR)
    assert ok(olga.get("/api/v2/drift"))["look"] is None
    begun = ok(olga.post("/api/v2/drift/look"), 202)
    assert ok(olga.get(begun["statusUrl"]))["look"]["askedAt"] is not None


# --- the change log ------------------------------------------------------------------------------------------------
def test_a_customer_reads_only_their_own_changes_and_none_for_staff() -> None:
    alices, bobs = make_customer(), make_customer()
    for customer, for_staff in ((alices, False), (alices, True), (bobs, False)):
        record("domain.added", about=domain_subject(customer.pk), actor=None, for_staff=for_staff)
    alice = api_of(make_member(alices))
    assert [row["customerId"] for row in ok(alice.get("/api/v2/audit"))["data"]] == [alices.pk]
    theirs, nobodys = (alice.get("/api/v2/audit", customerId=each) for each in (bobs.pk, "org_nobody"))
    assert theirs.status_code == nobodys.status_code == 400
    assert theirs.json() == nobodys.json()
    assert ok(_staff(Role.OPERATOR).get("/api/v2/audit", what="domain.added"))["pagination"]["total"] == 3


def test_the_change_log_is_filtered_by_day_kind_and_text() -> None:
    olga = _staff(Role.OPERATOR)
    change = record("domain.added", about=domain_subject("cus_1"), actor=None, because="a ticket 4711")
    today = change.at.date()
    both = {"actorKind": "worker", "search": "4711"}
    assert len(ok(olga.get("/api/v2/audit", since=today.isoformat(), **both))["data"]) == 1
    assert ok(olga.get("/api/v2/audit", until=(today - timedelta(days=1)).isoformat(), **both))["data"] == []
    assert olga.get("/api/v2/audit", since="yesterday").status_code == 400


# --- alerts --------------------------------------------------------------------------------------------------------
def test_a_customer_acknowledges_and_mutes_their_alert() -> None:
    customer = make_customer()
    alert, alice = raise_alert(customer.pk), api_of(make_member(customer))
    assert [row["id"] for row in ok(alice.get("/api/v2/alerts"))["data"]] == [alert.pk]
    ok(alice.post(f"/api/v2/alerts/{alert.pk}/acknowledge"))
    assert ok(alice.get("/api/v2/alerts"))["data"] == []
    (row,) = ok(alice.get("/api/v2/alerts", state="acknowledged", objectId=alert.object_id))["data"]
    assert row["acknowledgedAt"] is not None
    until = timezone.now() + timedelta(days=2)
    muted = ok(alice.put(f"/api/v2/alerts/{alert.pk}/mute", {"until": until.isoformat()}))
    assert muted["mutedUntil"] is not None
    assert ok(alice.delete(f"/api/v2/alerts/{alert.pk}/mute"))["mutedUntil"] is None
    too_long = {"until": (until + timedelta(days=200)).isoformat()}
    refused(alice.put(f"/api/v2/alerts/{alert.pk}/mute", too_long), 422, "ALERT_MUTE")
    without = {"until": until.replace(tzinfo=None).isoformat()}
    refused(alice.put(f"/api/v2/alerts/{alert.pk}/mute", without), 422, "TIME_WITHOUT_ZONE")


def test_an_alert_for_staff_requires_the_scope_staff() -> None:
    observe_condition()
    olga = make_staff(Role.OPERATOR)
    assert ok(api_of(olga).get("/api/v2/alerts"))["data"] == []
    assert len(ok(api_of(olga, "read", "staff").get("/api/v2/alerts"))["data"]) == 1


# --- webhooks ------------------------------------------------------------------------------------------------------
def test_a_webhook_shows_its_secret_once_even_if_the_call_is_repeated() -> None:
    alice = api_of(make_member(make_customer()))
    body = {"name": "in", "url": "https://hooks.example/", "events": ["domain.verified"]}
    first = ok(alice.post("/api/v2/webhooks", body, Idempotency_Key="k"), 201)
    again = ok(alice.post("/api/v2/webhooks", body, Idempotency_Key="k"), 201)
    assert first["secret"].startswith("whsec_")
    assert "create a new one" in again.pop("secretMessage")
    assert again == first | {"secret": None}
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM api_calls")
        assert first["secret"] not in cursor.fetchone()[0]
    assert "secret" not in ok(alice.get(f"/api/v2/webhooks/{first['id']}"))
    assert ok(alice.post(f"/api/v2/webhooks/{first['id']}/secret"))["secret"] != first["secret"]


def test_a_webhook_with_a_private_url_or_an_unknown_event_is_refused(settings: Settings) -> None:
    settings.WEBHOOKS_MAY_BE_PRIVATE = False
    alice = api_of(make_member(make_customer()))
    refused(alice.post("/api/v2/webhooks", {"name": "in", "url": "https://127.0.0.1/"}), 422, "WEBHOOK_URL")
    unknown = {"name": "in", "url": "https://hooks.example/", "events": ["rule.drift"]}
    refused(alice.post("/api/v2/webhooks", unknown), 422, "WEBHOOK_EVENTS")
    assert not WebhookTarget.objects.exists()


def test_a_partial_update_of_a_webhook_keeps_the_other_fields() -> None:
    customer = make_customer()
    target, alice = make_target(customer_id=customer.pk, events=["domain.verified"]), api_of(make_member(customer))
    changed = ok(alice.patch(f"/api/v2/webhooks/{target.pk}", {"isOn": False}))
    assert (changed["isOn"], changed["events"], changed["url"]) == (False, ["domain.verified"], target.url)
    assert ok(alice.patch(f"/api/v2/webhooks/{target.pk}", {"events": []}))["events"] == []


def test_a_member_who_cannot_manage_a_webhook_sees_only_its_host() -> None:
    customer = make_customer()
    target = make_target("https://hooks.example/T0/secret", customer_id=customer.pk)
    member = api_of(make_member(customer, role=MemberRole.MEMBER))
    seen = member.get(f"/api/v2/webhooks/{target.pk}")
    assert ok(seen)["mayManage"] is False
    assert "T0/secret" not in seen.content.decode()
    refused(member.delete(f"/api/v2/webhooks/{target.pk}"), 403, "NOT_ALLOWED")


def test_a_delivery_is_sent_again_with_the_same_event_id() -> None:
    customer = make_customer()
    delivery, alice = make_delivery(customer.pk), api_of(make_member(customer))
    address = f"/api/v2/webhooks/deliveries/{delivery.pk}"
    refused(alice.post(f"{address}/redeliver"), 422, "WEBHOOK_WAITING")
    type(delivery).objects.update(state="delivered")
    again = ok(alice.post(f"{address}/redeliver"), 202)
    assert (again["eventId"], again["again"], again["state"]) == (delivery.event_id, True, "waiting")
    assert again["id"] != delivery.pk
    assert Change.objects.filter(what="webhook.delivered_again").count() == 1
    listed = ok(alice.get("/api/v2/webhooks/deliveries", webhookId=delivery.target_id, state="waiting"))
    assert [row["id"] for row in listed["data"]] == [again["id"]]
