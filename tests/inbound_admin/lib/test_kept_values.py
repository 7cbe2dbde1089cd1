import time

import pytest
from django.core.cache import cache, caches
from pytest_django import DjangoAssertNumQueries

from inbound_admin.lib.kept_values import PROCESS, keep_value, kept_value, kept_values

pytestmark = pytest.mark.django_db


def test_a_process_reads_a_value_once(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    keep_value("a", 1, 60)
    keep_value("b", [2], 60)
    with django_assert_num_queries(1):
        assert kept_values(["a", "b", "c"]) == {"a": 1, "b": [2]}
    with django_assert_num_queries(0):
        assert (kept_value("a"), kept_value("b")) == (1, [2])
    with django_assert_num_queries(1):
        assert kept_value("c") is None


def test_the_process_forgets_a_value_when_it_expires_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that reads it late doesn't keep it longer than the others."""
    now = time.time()
    keep_value("a", 1, 60)
    monkeypatch.setattr(time, "time", lambda: now + 50)
    assert kept_value("a") == 1
    cache.clear()
    assert kept_value("a") == 1
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert kept_value("a") is None


def test_a_value_that_another_process_keeps_meanwhile_is_shown_by_both() -> None:
    keep_value("a", 1, 60)
    keep_value("a", 2, 60)  # as the other process, which counted at the same moment
    assert kept_value("a") == 2
    caches[PROCESS].clear()
    assert kept_value("a") == 2
