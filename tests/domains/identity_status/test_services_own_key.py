"""A DKIM key of the customer's own (BYODKIM) that SES got after the domain was set up."""

import pytest

from domains.models.domains import Domain
from notifications.models.alerts import LIVE, Alert
from sandbox.aws.state import WORLD, regions
from sandbox.process import Sandbox
from tests.domains.checking.factories import HOUR, NOW, check_domain, verified_domain
from tests.domains.factories import set_identity_status

pytestmark = pytest.mark.django_db


def give_own_key(name: str) -> None:
    with WORLD.lock:
        for _, state in regions():
            if identity := state.identities.get(name):
                identity.origin, identity.selector = "EXTERNAL", "mine"


def test_a_key_of_the_customers_own_asks_nobody_to_publish_records_that_are_not_shown(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    give_own_key("shop.com")
    domain = check_domain(domain, NOW + HOUR)
    assert (domain.own_dkim_key, domain.state) == (True, "verified")
    assert not Alert.objects.filter(kind="domain.new_dkim", state__in=LIVE).exists()


@pytest.mark.parametrize("status", ["Failed", "TemporaryFailure"])
def test_a_lost_record_of_the_customers_own_key_is_said(sandbox: Sandbox, status: str) -> None:
    domain = verified_domain(sandbox)
    give_own_key("shop.com")
    set_identity_status("shop.com", dkim=status)
    domain = check_domain(domain, NOW + HOUR)
    assert domain.state == "at_risk"
    assert domain.summary.startswith("Amazon SES can't find your own DKIM key (BYODKIM) at mine._domainkey.shop.com")
    set_identity_status("shop.com", dkim="Success")
    assert check_domain(domain, NOW + 2 * HOUR).state == "verified"


def test_a_lost_key_is_said_although_ses_has_not_told_its_selector() -> None:
    domain = Domain(name="shop.com", own_dkim_key=True, dkim_status="FAILED", dkim_tokens=[])
    assert domain.lost_own_key == "…._domainkey.shop.com"
