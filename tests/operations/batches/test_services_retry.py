"""A retry of what failed or was stopped: whose act it is, and what it leaves alone."""

import pytest

from accounts.models.people import User
from accounts.roles import Role
from audit.models import Change
from domains.models.domains import Stage
from domains.overrides import services as overrides_services
from operations.batches import services as batches_services
from operations.batches.core import BatchKind
from operations.models import BatchItemState
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_staff
from tests.operations.batches.test_services import start_batch, states
from tests.operations.factories import make_ready

pytestmark = pytest.mark.django_db


@pytest.fixture
def sam() -> User:
    return make_staff(Role.SUPPORT)


@pytest.fixture
def olga() -> User:
    return make_staff(Role.ADMIN)


def test_a_retry_is_the_act_of_who_retries_and_is_recorded(sandbox: Sandbox, sam: User, olga: User) -> None:
    bob = make_customer("Bob")
    make_ready("a.com", make_customer())
    asked = start_batch(BatchKind.TRANSFER, sam, "a.com", customer=bob.pk, because="Merger")
    rival = make_domain("a.com", customer=bob, stage=Stage.CLAIM)
    batches_services.work()
    rival.delete()
    batches_services.retry(batch=asked, actor=olga)
    batches_services.work()
    assert states(asked) == {"a.com": "done"}
    recorded = Change.objects.filter(what__in=("bulk.retried", "domain.transferred")).values_list("what", "actor_id")
    assert set(recorded) == {("bulk.retried", str(olga.pk)), ("domain.transferred", str(olga.pk))}
    assert batches_services.retry(batch=asked, actor=olga) == 0
    assert Change.objects.filter(what="bulk.retried").count() == 1


def test_a_retry_keeps_the_pause_of_what_waits(sam: User, olga: User) -> None:
    for name in ("a.com", "b.com"):
        make_domain(name, stage=Stage.READY)
    asked = start_batch(BatchKind.HOLD, sam, "a.com", "b.com", because="x")
    asked.items.filter(name="a.com").update(state=BatchItemState.REFUSED)
    batches_services.pause(batch=asked, actor=olga)
    assert batches_services.retry(batch=asked, actor=sam) == 1
    batches_services.work()
    assert states(asked) == {"a.com": "waiting", "b.com": "waiting"}
    batches_services.resume(batch=asked, actor=sam)
    batches_services.work()
    assert states(asked) == {"a.com": "done", "b.com": "done"}


def test_a_pause_of_what_has_ended_since_does_not_hold_a_retry(sam: User) -> None:
    make_domain("a.com", stage=Stage.READY)
    asked = start_batch(BatchKind.HOLD, sam, "a.com", because="x")
    batches_services.pause(batch=asked, actor=sam)
    asked.items.update(state=BatchItemState.REFUSED)  # it was in progress when it was paused
    batches_services.retry(batch=asked, actor=sam)
    batches_services.work()
    assert states(asked) == {"a.com": "done"}


@pytest.mark.parametrize("is_paused", [False, True])
def test_an_old_batch_undoes_no_later_decision(sam: User, olga: User, is_paused: bool) -> None:
    """Whether it is retried, or was paused meanwhile: the domain was held for another reason since."""
    domain = make_domain("a.com", stage=Stage.READY)
    overrides_services.hold(domain=domain, because="Abuse", until=None, actor=sam)
    asked = start_batch(BatchKind.RELEASE, sam, "a.com", because="All fine")
    (batches_services.pause if is_paused else batches_services.stop)(batch=asked, actor=sam)
    overrides_services.release(domain=domain, because="Settled", actor=olga)
    overrides_services.hold(domain=domain, because="Phishing", until=None, actor=olga)
    (batches_services.resume if is_paused else batches_services.retry)(batch=asked, actor=sam)
    batches_services.work()
    assert states(asked) == {"a.com": "refused"}
    assert "It was held, released or transferred after this bulk action began" in asked.items.get().problem
    domain.refresh_from_db()
    assert domain.held_because == "Phishing"
