"""Only domains that lack all their required records cost lookups about their zone."""

import pytest

from domains.checking.core.judgement import Judgement, State
from domains.records.core import Need
from domains.zone_causes.services import query_zones
from sandbox.process import Sandbox
from tests.domains.factories import set_up_domain

pytestmark = [pytest.mark.django_db, pytest.mark.allow_hosts([f"127.0.0.{number}" for number in range(1, 12)])]


@pytest.mark.parametrize(
    ("states", "asked"),
    [
        ((State.VERIFIED, State.VERIFIED), 0),
        ((State.VERIFIED, State.WAITING), 0),
        ((State.WAITING, State.AT_RISK), 1),
    ],
)
def test_a_zone_is_asked_about_if_no_required_record_is_there(
    sandbox: Sandbox, states: tuple[State, ...], asked: int
) -> None:
    domain, before = set_up_domain(sandbox, "shop.com"), sandbox.queries.total
    judged = [Judgement(f"dkim-{number}", Need.REQUIRED, state, (), "", "") for number, state in enumerate(states)]
    query_zones([domain], {domain.pk: judged}, {})
    assert sandbox.queries.total - before == asked
