"""The pages of alerts and webhooks: as a visit, as a swap, and without JavaScript."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer, MemberRole, User
from accounts.roles import Role
from audit.models import Change
from audit.services import Subject
from notifications.alerts.core import GROUPS, KINDS, CustomerPeople, kinds_for
from notifications.alerts.services import acknowledge, mute
from notifications.events.services import emit
from notifications.models.alerts import Alert, NotificationPreference
from notifications.models.webhooks import Delivery, WebhookTarget
from tests.factories import make_customer, make_member, make_staff
from tests.notifications.factories import DRIFT, domain_subject, make_target, observe_condition, raise_alert

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
INBOX = "/alerts/"


@pytest.fixture
def alert(customer: Customer, alice: User) -> Alert:
    return raise_alert(customer.id)


def _signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def _page(client: Client, url: str, **more: str) -> str:
    answer = client.get(url, headers=more)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_empty_inbox_says_that_there_are_no_alerts(alice: User) -> None:
    client = _signed_in(alice)
    assert "No open alerts" in _page(client, INBOX)
    assert "No acknowledged alerts" in _page(client, INBOX + "?show=acknowledged")
    assert "No resolved alerts" in _page(client, INBOX + "?show=over")


def test_an_open_alert_is_in_the_inbox_and_counted_at_the_bell(alice: User, alert: Alert) -> None:
    page = _page(_signed_in(alice), INBOX)
    assert "shop.example" in page
    assert 'aria-label="Alerts: 1 open"' in page
    part = _page(_signed_in(alice), INBOX, **HTMX)
    assert "shop.example" in part
    assert "<html" not in part


@pytest.mark.parametrize(
    ("object_type", "object_id", "page"),
    [
        ("tenant", "ten_1", "/tenants/ten_1/"),
        ("runs", "eu-west-1", "/inbound/runs/"),
        ("endpoint", "end_1", "/inbound/endpoints/end_1/"),
        ("amazon", "eu-west-1", ""),
    ],
)
def test_an_alert_links_to_the_page_of_its_object(object_type: str, object_id: str, page: str) -> None:
    about = Subject(object_type, object_id, "The object")
    observe_condition(kind="run.failed", about=about, audience=DRIFT)
    shown = _page(_signed_in(make_staff(Role.OPERATOR)), reverse("notifications:alert", args=(Alert.objects.get().pk,)))
    heading = shown.partition("<h1")[2].partition('id="alert"')[0]
    assert (f'href="{page}"' in heading) is bool(page)
    assert "The object" in heading


def test_an_alert_does_not_link_a_customer_to_a_staff_page(customer: Customer, alice: User) -> None:
    observe_condition(
        kind="tenant.suspended",
        about=Subject("tenant", "ten_1", "alice", customer.id),
        audience=CustomerPeople(customer.id),
    )
    shown = _page(_signed_in(alice), reverse("notifications:alert", args=(Alert.objects.get().pk,)))
    assert "/tenants/ten_1/" not in shown


def test_a_suspected_alert_is_not_shown(customer: Customer, alice: User) -> None:
    observe_condition(kind="tenant.bounces", about=domain_subject(customer.id))
    assert Alert.objects.get().state == "suspected"
    olga = make_staff(Role.OPERATOR)
    assert "shop.example" not in _page(_signed_in(olga), INBOX)
    assert _signed_in(olga).get(reverse("notifications:alert", args=(Alert.objects.get().pk,))).status_code == 404


def test_an_acknowledged_alert_moves_to_the_acknowledged_ones(alice: User, alert: Alert) -> None:
    client, url = _signed_in(alice), reverse("notifications:alert", args=(alert.pk,))
    assert client.post(url, {"do": "acknowledge"}).status_code == 302
    assert "shop.example" not in _page(client, INBOX)
    assert "alice@alice.example is handling it" in _page(client, INBOX + "?show=acknowledged")
    assert 'aria-label="Alerts"' in _page(client, INBOX)


def test_a_muted_alert_says_until_when(alice: User, alert: Alert) -> None:
    client, url = _signed_in(alice), reverse("notifications:alert", args=(alert.pk,))
    part = client.post(url, {"do": "mute", "days": "7"}, headers=HTMX).content.decode()
    assert "<html" not in part
    assert "Muted until" in part
    assert "Unmute" in part
    assert 'aria-label="Alerts"' in _page(_signed_in(alice), INBOX)  # the bell no longer counts it
    part = client.post(url, {"do": "unmute"}, headers=HTMX).content.decode()
    assert "Unmuted." in part


@pytest.mark.parametrize("given", [{}, {"do": "explode"}, {"do": "mute"}, {"do": "mute", "days": "4000"}])
def test_an_invalid_action_is_422_and_changes_nothing(alice: User, alert: Alert, given: dict[str, str]) -> None:
    answer = _signed_in(alice).post(reverse("notifications:alert", args=(alert.pk,)), given)
    assert answer.status_code == 422
    assert not Change.objects.exists()


def test_another_customers_alert_is_404_and_support_can_only_read_it(alert: Alert) -> None:
    url, bob, sam = reverse("notifications:alert", args=(alert.pk,)), make_member(), make_staff(Role.SUPPORT)
    assert _signed_in(bob).get(url).status_code == 404
    assert _signed_in(bob).post(url, {"do": "acknowledge"}).status_code == 404
    assert "for the customer. Only their members" in _page(_signed_in(sam), url)
    assert _signed_in(sam).post(url, {"do": "acknowledge"}).status_code == 422
    assert "shop.example" not in _page(_signed_in(sam), INBOX)
    assert "Alice Ltd" in _page(_signed_in(sam), INBOX + "?whose=customers")
    assert "shop.example" not in _page(_signed_in(bob), INBOX + "?whose=customers")


def test_an_operators_alert_is_404_for_customers_and_support(alice: User) -> None:
    observe_condition()
    url = reverse("notifications:alert", args=(Alert.objects.get().pk,))
    assert "The rule a is gone" in _page(_signed_in(make_staff(Role.OPERATOR)), url)
    assert _signed_in(alice).get(url).status_code == 404
    assert _signed_in(make_staff(Role.SUPPORT)).get(url).status_code == 404


def test_an_alert_shows_who_was_notified_and_earlier_alerts(customer: Customer, alice: User, alert: Alert) -> None:
    acknowledge(alert=alert, actor=alice)
    mute(alert=alert, until=datetime.now(UTC) + timedelta(days=1), actor=alice)
    alert.notices.update(sent_at=datetime.now(UTC))
    Alert.objects.filter(pk=alert.pk).update(state="recovered", recovered_at=datetime.now(UTC))
    newer = raise_alert(customer.id, at=datetime.now(UTC))
    page = _page(_signed_in(alice), reverse("notifications:alert", args=(newer.pk,)))
    assert reverse("notifications:alert", args=(alert.pk,)) in page
    assert "alice@alice.example" in _page(_signed_in(alice), reverse("notifications:alert", args=(alert.pk,)))


def _form(client: Client, customer: Customer, **given: str) -> dict[str, str]:
    target_id = client.get("/alerts/webhooks/new/").context["form"]["target_id"].value()
    whole = {"owner": customer.pk, "name": "Ours", "url": "https://example.com/x", "form": "standard"}
    return whole | {"target_id": target_id} | given


def test_a_webhook_is_added_and_its_secret_shown_once(customer: Customer, alice: User) -> None:
    client = _signed_in(alice)
    assert "No webhooks" in _page(client, "/alerts/webhooks/")
    form = _form(client, customer)
    answer = client.post("/alerts/webhooks/new/", form)
    page = answer.content.decode()
    target = WebhookTarget.objects.get()
    assert "whsec_" in page
    assert "no-store" in answer.headers["Cache-Control"]
    assert "whsec_" not in _page(client, reverse("notifications:webhook", args=(target.pk,)))
    assert "example.com/…" in _page(client, "/alerts/webhooks/")
    again = client.post("/alerts/webhooks/new/", form)
    assert again.status_code == 422
    assert WebhookTarget.objects.count() == 1


def test_an_invalid_webhook_is_reported_at_the_field(customer: Customer, alice: User) -> None:
    client = _signed_in(alice)
    answer = client.post("/alerts/webhooks/new/", _form(client, customer, url="ftp://example.com"))
    assert answer.status_code == 422
    assert answer.context["form"].errors["url"]
    strangers = client.post("/alerts/webhooks/new/", _form(client, make_customer()))
    assert strangers.context["form"].errors["owner"]
    assert not WebhookTarget.objects.exists()


def test_members_and_support_see_a_webhook_and_cannot_change_it(customer: Customer, alice: User) -> None:
    target = make_target("https://hooks.slack.example/T000/secret-path", customer_id=customer.id)
    url = reverse("notifications:webhook", args=(target.pk,))
    for person in (make_member(customer, role=MemberRole.MEMBER), make_staff(Role.SUPPORT)):
        page = _page(_signed_in(person), url)
        assert "secret-path" not in page
        assert "Send test event" not in page
        for name in ("webhook", "new_secret", "test_webhook", "remove_webhook"):
            given = {"name": "x", "url": "https://example.com/"}
            assert (
                _signed_in(person).post(reverse(f"notifications:{name}", args=(target.pk,)), given).status_code == 403
            )
    assert "secret-path" in _page(_signed_in(alice), url)
    bob = _signed_in(make_member())
    for name in ("webhook", "new_secret", "test_webhook", "remove_webhook"):
        assert bob.post(reverse(f"notifications:{name}", args=(target.pk,))).status_code == 404
    assert not Change.objects.exists()


def test_a_personal_webhook_is_404_for_others(customer: Customer, alice: User) -> None:
    client = _signed_in(alice)
    assert client.post("/alerts/webhooks/new/", _form(client, customer, owner="me")).status_code == 200
    target = WebhookTarget.objects.get()
    assert (target.person, target.customer_id) == (alice, "")
    url = reverse("notifications:webhook", args=(target.pk,))
    assert "You only" in _page(client, "/alerts/webhooks/")
    assert target.name in _page(client, "/alerts/preferences/")
    for other in (make_member(customer), make_staff(Role.ADMIN), make_staff(Role.OPERATOR)):
        assert _signed_in(other).get(url).status_code == 404


def test_a_webhook_can_be_changed_rotated_tested_and_removed(customer: Customer, alice: User) -> None:
    target, client = make_target(customer_id=customer.id), _signed_in(alice)
    url = reverse("notifications:webhook", args=(target.pk,))
    saved = client.post(
        url, {"name": "Theirs", "url": "https://example.org/", "events": ["domain.at_risk"], "is_on": "on"}
    )
    assert saved.status_code == 302
    target.refresh_from_db()
    assert (target.name, target.url, target.events) == ("Theirs", "https://example.org/", ["domain.at_risk"])
    assert client.post(url, {"name": "", "url": "nonsense"}).status_code == 422
    assert "whsec_" in client.post(reverse("notifications:new_secret", args=(target.pk,))).content.decode()
    tried = client.post(reverse("notifications:test_webhook", args=(target.pk,)))
    assert tried["Location"] == reverse("notifications:delivery", args=(Delivery.objects.get().pk,))
    assert client.post(reverse("notifications:remove_webhook", args=(target.pk,))).status_code == 302
    assert list(Change.objects.order_by("id").values_list("what", flat=True)) == [
        "webhook.changed",
        "webhook.new_secret",
        "webhook.tested",
        "webhook.removed",
    ]


def test_the_log_shows_each_attempt_and_a_delivery_can_be_repeated(customer: Customer, alice: User) -> None:
    target, client = make_target(customer_id=customer.id), _signed_in(alice)
    emit(event="domain.verified", about=domain_subject(customer.id))
    delivery = Delivery.objects.get()
    url = reverse("notifications:delivery", args=(delivery.pk,))
    waiting = _page(client, url)
    assert 'hx-trigger="every 5s"' in waiting
    assert "Not attempted yet" in waiting
    delivery.attempts.create(
        started_at=datetime.now(UTC),
        finished_at=datetime.now(UTC),
        status=500,
        problem="It answered 500.",
        answer="<b>no",
    )
    Delivery.objects.update(state="given_up")
    part = _page(client, url, **HTMX)
    assert "&lt;b&gt;no" in part
    assert "every 5s" not in part
    assert "<html" not in part
    assert client.post(url).status_code == 302
    assert target.deliveries.count() == 2
    assert _signed_in(make_member()).get(url).status_code == 404
    assert "domain.verified" in _page(client, reverse("notifications:webhook", args=(target.pk,)))


def test_a_user_sets_notification_preferences(alice: User) -> None:
    client = _signed_in(alice)
    assert "Notification settings" in _page(client, "/customers/account/")
    form = {"by_mail": "digest", "digest_at": "07:30", "quiet_from": "22:00", "quiet_until": "06:00"}
    assert client.post("/alerts/preferences/", form | {"wanted": ["domain.at_risk"]}).status_code == 302
    row = NotificationPreference.objects.get()
    assert (row.person, row.by_mail, f"{row.digest_at:%H:%M}") == (alice, "digest", "07:30")
    assert "webhook.off" in row.unwanted
    assert "domain.at_risk" not in row.unwanted
    assert 'value="07:30"' in _page(client, "/alerts/preferences/")


def test_kinds_of_alerts_are_grouped_by_what_they_are_about(alice: User) -> None:
    page = _page(_signed_in(alice), "/alerts/preferences/")
    assert [heading for heading in dict.fromkeys(GROUPS.values()) if f">{heading}</legend>" in page] == [
        *("Domains", "Inbound mail", "Sending", "Notifications")
    ]
    assert page.count('name="wanted"') == len(kinds_for(staff=False))
    assert {name.partition(".")[0] for name in KINDS} == set(GROUPS)


def test_quiet_hours_without_an_end_are_reported_at_the_field(alice: User) -> None:
    form = {"by_mail": "at_once", "digest_at": "08:00", "quiet_from": "22:00"}
    answer = _signed_in(alice).post("/alerts/preferences/", form)
    assert answer.status_code == 422
    assert answer.context["form"].errors["quiet_until"]
    assert not NotificationPreference.objects.exists()


def test_staff_choose_from_more_kinds_than_customers(alice: User) -> None:
    assert "eceipt rules were changed outside this system" not in _page(_signed_in(alice), "/alerts/preferences/")
    assert "eceipt rules were changed outside this system" in _page(_signed_in(make_staff()), "/alerts/preferences/")


def test_every_kind_is_offered_once_and_unticking_turns_it_off() -> None:
    olga = make_staff()
    offered = kinds_for(staff=True)
    assert len({kind.name for kind in offered}) == len(offered)
    form = {"by_mail": "digest", "digest_at": "07:30"}
    ticked = [kind.name for kind in offered if kind.words != "The account's bounce or complaint rate is high"]
    assert _signed_in(olga).post("/alerts/preferences/", form | {"wanted": ticked}).status_code == 302
    assert NotificationPreference.objects.get().unwanted == ["account.rates"]


def test_no_admin_page_shows_a_secret(customer: Customer) -> None:
    target = make_target("https://hooks.slack.example/T000/secret-path", customer_id=customer.id)
    sam = _signed_in(make_staff(Role.SUPPORT))
    page = _page(sam, reverse("admin:notifications_webhooktarget_change", args=(target.pk,)))
    assert target.secret not in page
    assert "secret-path" not in page
    for name in ("alert", "event", "webhooktarget", "delivery", "attempt", "notice"):
        assert sam.get(reverse(f"admin:notifications_{name}_changelist")).status_code == 200
        assert sam.get(reverse(f"admin:notifications_{name}_add")).status_code == 403


def test_a_resolved_alert_says_when_and_that_its_reason_is_past(alice: User, alert: Alert) -> None:
    recovered = datetime(2026, 3, 4, 12, tzinfo=UTC)
    Alert.objects.update(state="recovered", recovered_at=recovered, why="SES rejects all mail.")
    for url in (INBOX + "?show=over", f"{INBOX}{alert.pk}/"):
        page = _page(_signed_in(alice), url)
        assert "Before it was resolved: SES rejects all mail." in page
        assert recovered.isoformat() in page
