"""The demo's company: created once, then each step of *What to try* is opened in its role."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.management import call_command
from django.db.models import Count
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import Customer, User
from audit.models import Change
from domains.models.domains import Domain
from notifications.models.alerts import Alert
from notifications.models.webhooks import Delivery
from operations.models import Difference, MigrationItem
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.models.runs import Run
from sandbox import tour
from sandbox.company import build
from sandbox.demo_progress import ProgressFile
from sandbox.process import Sandbox
from tenants.models.reputation import RateSample
from tenants.models.tenants import Tenant
from tests.factories import make_member, make_roles

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 86_400


def test_the_company_is_complete_and_every_step_works(
    sandbox: Sandbox, settings: Settings, subtests: Any, tmp_path: Path
) -> None:
    """One test, because creating the company takes seconds. The seed is interrupted and continues each time."""
    settings.SITE_URL = "http://127.0.0.1:8123/"
    make_roles()
    _make_with_interruptions(tmp_path)
    call_command("seed_demo", "--company", verbosity=0)
    for check in (_all_rows_exist, _rows_cover_a_month, _clocks_are_right, _what_to_try_is_public):
        with subtests.test(check.__name__):
            check(sandbox)
    for shown in tour.roles_shown():
        client = Client()
        client.force_login(User.objects.get(email=shown.account.email))
        for each in shown.steps:
            with subtests.test(f"{shown.role.title}: {each.step.title}"):
                _step_shows_its_text(client, each)
    with subtests.test("a second run adds nothing"):
        _a_second_run_adds_nothing()


class Interrupted(Exception):
    """The seed's process ends here."""


class InterruptingProgress(ProgressFile):
    """Interrupt the seed once before each of these parts is recorded, so that the previous part is repeated."""

    before: ClassVar[list[int]] = [1, 9, 15, 16, 25]

    def note(self, done: int, of: int) -> None:
        if done in self.before:
            self.before.remove(done)
            raise Interrupted
        super().note(done, of)


def _make_with_interruptions(folder: Path) -> None:
    progress = InterruptingProgress(str(folder / "progress"))
    for _ in range(5):
        with pytest.raises(Interrupted):
            build.make(progress)
    build.make(progress)
    progress.remove()


def _step_shows_its_text(client: Client, each: tour.ShownStep) -> None:
    assert each.url
    answer = client.get(each.url)
    assert answer.status_code == 200
    assert each.step.shows in answer.text


def _all_rows_exist(_: Sandbox) -> None:
    assert (Customer.objects.count(), Domain.objects.count()) == (12, 40)
    states = set(Domain.objects.values_list("state", flat=True))
    assert states == {"verified", "waiting", "wrong", "at_risk", "could_not_check", "not_checked"}
    assert {"active", "paused", "suspended"} <= set(Tenant.objects.values_list("standing", flat=True))
    assert {"done", "failed"} <= set(Run.objects.values_list("state", flat=True))
    assert {"delivered", "failed", "waiting"} == set(ReceivedMail.objects.values_list("outcome", flat=True))
    assert {"done", "waiting"} <= set(MigrationItem.objects.values_list("state", flat=True))
    assert Difference.objects.filter(kind="harmful", decision="", gone_at=None).count() == 1
    assert {"delivered", "cancelled"} <= set(Delivery.objects.values_list("state", flat=True))
    assert Alert.objects.filter(state="open").values("kind").annotate(number=Count("pk")).count() >= 5


def _rows_cover_a_month(_: Sandbox) -> None:
    now = timezone.now()
    for rows, days in ((Change.objects, 29), (ReceivedMail.objects, 19), (RateSample.objects, 29)):
        times = rows.values_list("received_at" if rows is ReceivedMail.objects else "at", flat=True)
        assert (now - min(times)).total_seconds() > days * DAY
        assert max(times) <= now


def _clocks_are_right(sandbox: Sandbox) -> None:
    assert abs((sandbox.control.now() - timezone.now()).total_seconds()) < 60


def _what_to_try_is_public(_: Sandbox) -> None:
    page = Client().get(reverse("sandbox:what_to_try"))
    assert page.status_code == 200
    assert "This step needs something that was deleted" not in page.text
    assert reverse("sandbox:what_to_try") in Client().get(reverse("account_login")).text


def _a_second_run_adds_nothing() -> None:
    before = [model.objects.count() for model in (Change, Domain, ReceivedMail, Run, Alert, Delivery, User)]
    call_command("seed_demo", "--company", verbosity=0)
    assert [model.objects.count() for model in (Change, Domain, ReceivedMail, Run, Alert, Delivery, User)] == before


def test_without_the_company_the_steps_say_what_is_missing(client: Client) -> None:
    page = client.get(reverse("sandbox:what_to_try")).text
    assert "This step needs something that was deleted" in page
    assert "This account is not here any more" in page


def test_a_completed_step_is_not_called_deleted() -> None:
    def step() -> tour.ShownStep:
        shown = next(each for each in tour.roles_shown() if each.role.key == "operator")
        return next(each for each in shown.steps if each.step.of == ("the", "difference"))

    assert not step().is_done
    now = timezone.now()
    Difference.objects.create(
        region="eu-west-1",
        area="rules",
        kind="harmful",
        key="k",
        subject="s",
        first_seen_at=now,
        last_seen_at=now,
        gone_at=now,
    )
    assert (step().url, step().is_done) == ("", True)


def test_the_current_role_comes_first() -> None:
    assert tour.roles_shown()[0].role.key == "customer"
    assert tour.roles_shown(first="sam@inbound-admin.example")[0].role.key == "support"


def test_during_the_seed_pages_are_readable_and_changes_are_503(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    progress = ProgressFile(str(tmp_path / "progress"))
    settings.DEMO_PROGRESS = str(tmp_path / "progress")
    person = make_member()
    assert "still being made" not in client.get(reverse("account_login")).text
    progress.note(13, 26)
    assert "still being made: 50% of its month" in client.get(reverse("account_login")).text
    assert client.post(reverse("account_login"), {"login": "x", "password": "x"}).status_code == 200
    client.force_login(person)
    refused = client.post(reverse("domains:add"), {"text": "example.org"})
    assert (refused.status_code, refused.headers["X-Problem"]) == (503, "DEMO_BEING_MADE")
    of_api = client.post("/api/v2/domains", "{}", content_type="application/json")
    assert (of_api.status_code, of_api.json()["code"]) == (503, "DEMO_BEING_MADE")
    assert "50%" in client.get(reverse("sandbox:progress")).text
    progress.remove()
    assert "The demo is complete" in client.get(reverse("sandbox:progress")).text
    assert client.post(reverse("domains:add"), {"text": "example.org"}).status_code != 503


def test_a_sandbox_that_lost_its_state_is_reported_and_blocks_nothing(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    settings.DEMO_PROGRESS = str(tmp_path / "progress")
    ProgressFile(settings.DEMO_PROGRESS).note_lost()
    assert "SES and DNS are empty" in client.get(reverse("account_login")).text
    client.force_login(make_member())
    assert client.post(reverse("domains:add"), {"text": "example.org"}).status_code != 503
