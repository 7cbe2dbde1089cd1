"""Two customers add domains at the same moment."""

import threading
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from django.db import connection

from accounts.models.people import Customer
from audit.models import Change
from domains.models.domains import Domain, Stage
from domains.preflight import services as preflight_services
from inbound_admin.lib.errors import Problem
from sandbox.process import Sandbox

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_of_two_concurrent_additions_of_a_name_one_becomes_a_claim(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    both = (alice, bob, alice, bob)
    ends = run_concurrently(
        [partial(preflight_services.add, text="shop.com", customer=who, actor=None) for who in both]
    )
    assert sorted(type(end).__name__ for end in ends) == ["Domain", "Domain", "Refused", "Refused"]
    assert sorted(Domain.objects.values_list("stage", flat=True)) == [Stage.CLAIM, Stage.STARTING]
    assert Domain.objects.values("customer").distinct().count() == 2
    assert Change.objects.filter(what="domain.added").count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_domain_and_its_subdomain_added_concurrently_block_neither(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    run_concurrently(
        [
            partial(preflight_services.add, text="shop.com", customer=alice, actor=None),
            partial(preflight_services.add, text="sub.shop.com", customer=bob, actor=None),
        ]
    )
    assert list(Domain.objects.values_list("stage", flat=True)) == [Stage.STARTING, Stage.STARTING]


def run_concurrently(attempts: Sequence[Callable[[], Domain]]) -> list[Domain | Problem]:
    """Call all at the same moment, each in its own thread."""
    start, ends = threading.Barrier(len(attempts)), list[Domain | Problem]()

    def run(attempt: Callable[[], Domain]) -> None:
        try:
            start.wait()
            ends.append(attempt())
        except Problem as problem:
            ends.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(attempt,)) for attempt in attempts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends) == len(attempts)
    return ends
