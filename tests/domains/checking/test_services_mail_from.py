"""What a domain's status says of its MAIL FROM domain, when SES rejects mail without it or has another one."""

import pytest
from django.utils import timezone

from domains.checking.core.judgement import SesStatus
from domains.identity_status import services as identity_status_services
from domains.models.domains import Domain
from inbound_admin.lib import aws
from sandbox.process import Sandbox
from tests.domains.checking.factories import HOUR, NOW, check_domain, remove_record, verified_domain
from tests.domains.factories import set_identity_status, set_up_domain

pytestmark = pytest.mark.django_db


def test_a_domain_whose_mail_ses_rejects_says_so_first(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    Domain.objects.filter(pk=domain.pk).update(on_mx_failure="RejectMessage", ses_on_mx_failure="RejectMessage")
    set_identity_status("shop.com", mail_from="TemporaryFailure")
    remove_record(sandbox, domain, "mail-from-mx")
    said = "Amazon SES rejects all mail from shop.com because its MAIL FROM domain (bounce.shop.com) isn't verified. "
    assert check_domain(domain, NOW + HOUR).summary.startswith(f"{said}1 of ")
    Domain.objects.filter(pk=domain.pk).update(ses_on_mx_failure="UseDefaultValue")
    assert "rejects" not in check_domain(domain, NOW + 2 * HOUR).summary


@pytest.mark.parametrize("theirs", ["other.shop.com", ""])
@pytest.mark.parametrize("others", [0, 3])
def test_another_mail_from_domain_in_ses_is_not_a_failed_lookup(sandbox: Sandbox, theirs: str, others: int) -> None:
    domain = verified_domain(sandbox)
    aws.client("ses").set_identity_mail_from_domain(Identity="shop.com", MailFromDomain=theirs)
    read = [Domain.objects.get(pk=domain.pk), *(set_up_domain(sandbox) for _ in range(others))]
    identity_status_services.read_statuses(read, now=timezone.now())
    domain.refresh_from_db()
    assert domain.mail_from_status == SesStatus.NOT_STARTED
    summary = check_domain(domain, NOW + HOUR).summary
    assert summary.startswith("MAIL FROM is correct in DNS, but Amazon SES has another MAIL FROM domain, or none.")


def test_the_status_of_a_mail_from_domain_that_is_being_changed_is_unknown(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    aws.client("ses").set_identity_mail_from_domain(Identity="shop.com", MailFromDomain="mail.shop.com")
    Domain.objects.filter(pk=domain.pk).update(mail_from_label="mail", settings_unanswered=True)
    identity_status_services.read_statuses([Domain.objects.get(pk=domain.pk)], now=timezone.now())
    domain.refresh_from_db()
    assert domain.mail_from_status == SesStatus.UNKNOWN
