"""A row that somebody else deletes after a person has opened it: what the person then does is refused, not an error."""

from collections.abc import Callable
from functools import partial

import pytest
from django.utils import timezone

from accounts.api_keys.services import create_api_key, revoke_api_key
from accounts.members.services import invite, revoke_invitation
from accounts.models.people import MemberRole
from inbound_admin.lib.errors import DeletedMeanwhile
from inbound_admin.lib.lockable import Lockable
from operations.batches.core import BatchKind
from operations.batches.services import pause, retry
from operations.drift.core import Decision
from operations.drift_store.services import record_decision
from operations.models import Batch
from receipt_rules.forwarding.services import allow, record_answer
from receipt_rules.models.endpoints import Forwarding
from receipt_rules.received_mail.services import decide_owner
from tests.factories import make_customer, make_member, make_staff
from tests.operations.factories import make_difference
from tests.receipt_rules.factories import make_endpoint, make_mail, make_operator

pytestmark = pytest.mark.django_db
Act = Callable[[], object]


def delete(made: Lockable) -> None:
    """Delete the row; the object that a page has read keeps its ID."""
    type(made)._default_manager.filter(pk=made.pk).delete()


def batch(act: Callable[..., object]) -> Act:
    olga = make_operator()
    made = Batch.objects.create(kind=BatchKind.HOLD, by=olga)
    delete(made)
    return partial(act, batch=made, actor=olga)


def difference() -> Act:
    made = make_difference()
    delete(made)
    return partial(
        record_decision, difference=made, decision=Decision.IGNORE, because="It is known.", actor=make_operator()
    )


def invitation() -> Act:
    customer, olga = make_customer(), make_staff()
    asked = partial(invite, customer=customer, actor=olga, site_url="https://x.example")
    made = asked(email="new@people.example", role=MemberRole.MEMBER).invitation
    delete(made)
    return partial(revoke_invitation, invitation=made, actor=olga)


def api_key() -> Act:
    alice = make_member(make_customer())
    made = create_api_key(user=alice, name="CI", scopes=["read"], actor=alice).key
    delete(made)
    return partial(revoke_api_key, key=made, actor=alice)


def forwarding(*, by_staff: bool) -> Act:
    made = Forwarding.objects.create(customer=make_customer(), address="a@b.example", asked_at=timezone.now())
    delete(made)
    if by_staff:
        return partial(allow, row=made, because="They said so.", actor=make_operator())
    return partial(record_answer, row=made, confirms=True, now=timezone.now())


def mail() -> Act:
    made = make_mail(make_endpoint())
    delete(made)
    return partial(decide_owner, mail=made, customer=make_customer(), because="They said so.", actor=make_operator())


MADE: dict[str, Callable[[], Act]] = {
    "pause a batch": partial(batch, pause),
    "retry a batch": partial(batch, retry),
    "decide over drift": difference,
    "revoke an invitation": invitation,
    "revoke an API key": api_key,
    "allow forwarding": partial(forwarding, by_staff=True),
    "answer the forwarding link": partial(forwarding, by_staff=False),
    "give a message to a customer": mail,
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_what_was_deleted_meanwhile_is_refused(make: Callable[[], Act]) -> None:
    act = make()
    with pytest.raises(DeletedMeanwhile):
        act()
