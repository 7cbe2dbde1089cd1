"""The lookups of a check for the policies that apply to a domain."""

import pytest

from domains.checking import services as checking_services
from domains.models.domains import Domain
from domains.policies import services
from sandbox.process import Sandbox
from tests.domains.checking.factories import NOW, check_domain
from tests.domains.factories import set_up_domain

pytestmark = pytest.mark.django_db


def spf_of(label: str, count: int) -> str:
    return " ".join(["v=spf1", *(f"include:{label}{number}.shop.com" for number in range(count)), "~all"])


def test_the_number_of_spf_includes_followed_for_a_domain_is_limited(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    sandbox.control.add_record("shop.com", "shop.com", "TXT", spf_of("a", 3))
    for number in range(3):
        sandbox.control.add_record("shop.com", f"a{number}.shop.com", "TXT", spf_of(f"b{number}-", 15))
    check_domain(domain)
    assert len(domain.published.inside) == 3 + services.NAMES


def test_two_domains_that_share_an_include_both_get_its_nested_record(sandbox: Sandbox) -> None:
    domain, other = set_up_domain(sandbox, "shop.com"), set_up_domain(sandbox, "farm.org")
    sandbox.control.add_record("shop.com", "a0.shop.com", "TXT", spf_of("b", 1))
    sandbox.control.add_record("shop.com", "b0.shop.com", "TXT", "v=spf1 ip4:192.0.2.1 -all")
    for name in ("shop.com", "farm.org"):
        sandbox.control.add_record(name, name, "TXT", spf_of("a", 1))
    domains = [Domain.objects.get(pk=each.pk) for each in (domain, other)]
    checking_services.check(domains, now=NOW)
    for each in domains:
        assert each.published.inside["b0.shop.com"] == ("v=spf1 ip4:192.0.2.1 -all",)
