"""Mail Manager: the account's ingress points and the domains that point there; a failed read proves nothing."""

import pytest
from pytest_django import Settings

from domains.models.domains import Domain
from inbound_admin.lib import aws
from receipt_rules.mail_manager import gateway
from receipt_rules.mail_manager.services import check_mail_manager, read_ingress_points
from receipt_rules.receiving_setup.core import SetupVerdict
from sandbox.process import Sandbox
from tests.domains.factories import make_domain

pytestmark = pytest.mark.django_db


def point_mx(sandbox: Sandbox, name: str, host: str) -> Domain:
    """Create a domain whose last check found its MX at Mail Manager."""
    domain = make_domain(name, mx_facts={name: "mail_manager"})
    sandbox.control.add_zone(name)
    sandbox.control.add_record(name, name, "MX", f"10 {host}.")
    return domain


def add_point(sandbox: Sandbox, settings: Settings, name: str, rule_set: str) -> str:
    aws.client("ses").list_identities()  # the region is opened by the first call there
    return sandbox.control.add_ingress_point(settings.AWS_REGION, name, rule_set)


def test_an_account_without_mail_manager_has_no_findings(sandbox: Sandbox) -> None:
    make_domain("shop.com")
    assert check_mail_manager() == ()


def test_each_ingress_point_lists_the_domains_that_point_there(sandbox: Sandbox, settings: Settings) -> None:
    host = add_point(sandbox, settings, "front", "their-rules")
    add_point(sandbox, settings, "unused", "other-rules")
    point_mx(sandbox, "shop.com", host)
    front, unused = check_mail_manager()
    assert (front.verdict, unused.verdict) == (SetupVerdict.COULD_NOT_TELL, SetupVerdict.RIGHT)
    assert "ingress point front" in front.sentence
    assert "with the rule set their-rules" in front.sentence
    assert "The MX of shop.com points to SES Mail Manager" in front.sentence
    assert "None of our domains points there" in unused.sentence


def test_an_ingress_point_of_another_account_is_reported_as_such(sandbox: Sandbox, settings: Settings) -> None:
    add_point(sandbox, settings, "front", "their-rules")
    point_mx(sandbox, "shop.com", "abc.us-west-2.mail-manager-smtp.amazonaws.com")
    assert "outside this account and region" in check_mail_manager()[-1].sentence


def test_an_unreachable_zone_is_not_attributed_to_another_account(sandbox: Sandbox) -> None:
    point_mx(sandbox, "shop.com", "abc.us-west-2.mail-manager-smtp.amazonaws.com")
    sandbox.control.set_dns_fault("shop.com", "servfail")
    (found,) = check_mail_manager()
    assert found.sentence == "The MX of shop.com points to SES Mail Manager, so receipt rules never see that mail."


@pytest.mark.parametrize("fault", ["denied", "error"])
def test_a_failed_read_is_reported_and_the_domains_are_still_named(
    sandbox: Sandbox, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    point_mx(sandbox, "shop.com", "abc.us-west-2.mail-manager-smtp.amazonaws.com")
    sandbox.control.add_fault(fault, "ListIngressPoints", times=None)  # type: ignore[arg-type]  # one of its kinds
    failed, named = check_mail_manager()
    assert failed.verdict is SetupVerdict.COULD_NOT_TELL
    assert "couldn't see whether SES Mail Manager is used" in failed.sentence
    assert "shop.com" in named.sentence


def test_a_send_only_domain_may_point_to_mail_manager(sandbox: Sandbox) -> None:
    domain = point_mx(sandbox, "shop.com", "abc.us-west-2.mail-manager-smtp.amazonaws.com")
    Domain.objects.filter(pk=domain.pk).update(receives=False)
    assert check_mail_manager() == ()


def test_the_gateway_reads_the_ingress_points_of_the_account(sandbox: Sandbox, settings: Settings) -> None:
    host = add_point(sandbox, settings, "front", "their-rules")
    (point,) = read_ingress_points()
    assert (point.name, point.host, point.rule_set) == ("front", host, "their-rules")
    assert gateway.list_rule_sets() == ((("their-rules", "their-rules"),), "")
