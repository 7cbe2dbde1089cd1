"""During a deployment, the older version reads unknown states as "cannot tell", and no page breaks."""

import pytest
from django.conf import settings
from django.test import Client

from accounts.roles import Role
from domains.checking.core.judgement import State
from domains.models.domains import Domain
from domains.receiving.core import MxFact, ReceivingState, RulesFact
from receipt_rules.models.addresses import Address
from tests.api_client import api_of
from tests.api_rows import World, make_world
from tests.factories import make_staff

pytestmark = pytest.mark.django_db
LATER = "of_later"


@pytest.fixture
def world() -> World:
    """Return an address and its domain as a later version might have stored them."""
    made = make_world()
    Address.objects.filter(pk=made.address.pk).update(rules=LATER)
    Domain.objects.filter(pk=made.domain.pk).update(
        receiving_state=LATER, state=LATER, mail_rules={"shop.com": LATER}, mx_facts={"shop.com": LATER}
    )
    return made


def test_an_unknown_state_reads_as_unknown(world: World) -> None:
    assert RulesFact(LATER) is RulesFact.UNSURE
    assert MxFact(LATER) is MxFact.UNKNOWN
    assert State(LATER) is State.COULD_NOT_CHECK
    Domain.objects.filter(pk=world.domain.pk).update(mx_facts={"shop.com": "here"})
    address = Address.objects.get(pk=world.address.pk)
    assert (address.is_served, address.receiving.state) == (False, ReceivingState.COULD_NOT_TELL)


@pytest.mark.parametrize(
    "path",
    [
        *("/domains/", "/domains/?show=attention", "/domains/domains.csv", "/domains/{domain_id}/", "/operations/"),
        *("/domains/{domain_id}/diagnosis/", "/domains/{domain_id}/sending/", "/domains/{domain_id}/support/"),
        *(
            "/inbound/domains/{domain_id}/",
            "/inbound/addresses/",
            "/inbound/addresses/{address_id}/",
            "/inbound/rules/",
        ),
        *("/customers/{customer_id}/", "/operations/domains/{domain_id}/", "/operations/find/?q=sh"),
        *("/admin/domains/domain/", "/admin/domains/domain/{domain_id}/change/"),
    ],
)
def test_no_page_breaks_on_an_unknown_state(world: World, client: Client, path: str) -> None:
    client.force_login(make_staff(Role.ADMIN))
    assert client.get(path.format(**world.ids), headers={"x-reason": "A test."}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2/domains",
        "/api/v2/domains/{domain_id}",
        "/api/v2/email-addresses",
        "/api/v2/email-addresses/{address_id}",
    ],
)
def test_the_api_answers_despite_an_unknown_state(world: World, path: str) -> None:
    settings.API_CALLS_PER_MINUTE = 0
    answer = api_of(make_staff(Role.ADMIN), "read", "staff").get(path.format(**world.ids))
    assert (answer.status_code, LATER in answer.content.decode()) == (200, False)
