"""The verifier: real packets to the sandbox's DNS server, and status changes as in SES."""

from typing import Any

import pytest

from sandbox.process import Sandbox
from sandbox.values import Round
from tests.sandbox.conftest import REGION, Aws

NAME = "example.com"
HOURS = 3600.0


@pytest.fixture
def ses(local: Sandbox, over_http: Aws) -> Any:
    local.control.add_zone(NAME, ["ns1.host.test"])
    return over_http.ses


def _publish_txt(local: Sandbox, ses: Any, name: str = f"_amazonses.{NAME}", prefix: str = "") -> None:
    token = ses.verify_domain_identity(Domain=NAME)["VerificationToken"]
    local.control.add_record(NAME, name, "TXT", f"{prefix}{token}")


def _publish_dkim(local: Sandbox, ses: Any, how_many: int = 3) -> None:
    for token in ses.verify_domain_dkim(Domain=NAME)["DkimTokens"][:how_many]:
        local.control.add_record(NAME, f"{token}._domainkey.{NAME}", "CNAME", f"{token}.dkim.amazonses.com.")


def _statuses(ses: Any) -> tuple[str, str, str]:
    parameters = {"Identities": [NAME]}
    ownership = ses.get_identity_verification_attributes(**parameters)["VerificationAttributes"][NAME]
    dkim = ses.get_identity_dkim_attributes(**parameters)["DkimAttributes"][NAME]
    mail_from = ses.get_identity_mail_from_domain_attributes(**parameters)["MailFromDomainAttributes"][NAME]
    status = mail_from.get("MailFromDomainStatus", "")
    return ownership["VerificationStatus"], dkim["DkimVerificationStatus"], status


def _info(over_http: Aws) -> dict[str, Any]:
    info: dict[str, Any] = over_http.sesv2.get_email_identity(EmailIdentity=NAME)["VerificationInfo"]
    return info


def test_the_txt_record_alone_verifies_the_identity(local: Sandbox, ses: Any) -> None:
    _publish_txt(local, ses)
    assert local.control.tick() == Round(1, ("example.com identity: Pending -> Success",))
    assert _statuses(ses) == ("Success", "NotStarted", "")
    assert local.control.tick() == Round(1, ())


def test_the_txt_record_can_be_at_the_apex(local: Sandbox, ses: Any) -> None:
    _publish_txt(local, ses, NAME, "amazonses:")
    local.control.tick()
    assert _statuses(ses)[0] == "Success"


def test_a_token_in_the_wrong_case_does_not_verify(local: Sandbox, ses: Any, over_http: Aws) -> None:
    token = ses.verify_domain_identity(Domain=NAME)["VerificationToken"]
    local.control.add_record(NAME, f"_amazonses.{NAME}", "TXT", token.lower())
    local.control.tick()
    assert (_statuses(ses)[0], _info(over_http)["ErrorType"]) == ("Pending", "INVALID_VALUE")


def test_dkim_needs_all_three_records_and_verifies_the_identity(local: Sandbox, ses: Any) -> None:
    _publish_dkim(local, ses, how_many=2)
    local.control.tick()
    assert _statuses(ses) == ("Pending", "Pending", "")
    token = ses.verify_domain_dkim(Domain=NAME)["DkimTokens"][2]
    local.control.add_record(NAME, f"{token}._domainkey.{NAME}", "CNAME", f"{token}.dkim.amazonses.com.")
    local.control.tick()
    assert _statuses(ses) == ("Success", "Success", "")


def test_mail_from_needs_its_mx_as_the_only_one(local: Sandbox, ses: Any) -> None:
    ses.verify_domain_identity(Domain=NAME)
    ses.set_identity_mail_from_domain(Identity=NAME, MailFromDomain=f"m.{NAME}")
    right = f"10 feedback-smtp.{REGION}.amazonses.com."
    local.control.add_record(NAME, f"m.{NAME}", "MX", right)
    rival = local.control.add_record(NAME, f"m.{NAME}", "MX", "20 mx.example.net.")
    local.control.tick()
    assert _statuses(ses)[2] == "Pending"
    local.control.remove_record(NAME, rival.id)
    local.control.tick()
    assert _statuses(ses)[2] == "Success"


@pytest.mark.parametrize("fault", ["servfail", "refused"])
def test_a_failed_lookup_changes_no_status(local: Sandbox, ses: Any, over_http: Aws, fault: str) -> None:
    _publish_dkim(local, ses)
    local.control.tick()
    local.control.set_dns_fault(NAME, fault)
    assert local.control.tick().changes == ()
    assert (_statuses(ses)[:2], _info(over_http)["ErrorType"]) == (("Success", "Success"), "DNS_SERVER_ERROR")


def test_a_pending_identity_fails_after_72_hours_and_can_be_restarted(local: Sandbox, ses: Any) -> None:
    ses.verify_domain_identity(Domain=NAME)
    local.control.advance_clock(71.9 * HOURS)
    local.control.tick()
    assert _statuses(ses)[0] == "Pending"
    local.control.advance_clock(0.1 * HOURS)
    local.control.tick()
    assert _statuses(ses)[0] == "Failed"
    _publish_txt(local, ses)
    local.control.tick()
    assert _statuses(ses)[0] == "Success"


def test_a_failed_identity_is_not_checked_again(local: Sandbox, ses: Any) -> None:
    ses.verify_domain_identity(Domain=NAME)
    local.control.advance_clock(72 * HOURS)
    local.control.tick()
    assert local.control.tick().checked == 0


def test_a_failing_dns_server_does_not_fail_an_identity(local: Sandbox, ses: Any) -> None:
    ses.verify_domain_identity(Domain=NAME)
    local.control.set_dns_fault(NAME, "servfail")
    local.control.advance_clock(100 * HOURS)
    local.control.tick()
    assert _statuses(ses)[0] == "Pending"


def test_a_missing_record_has_72_hours_to_return(local: Sandbox, ses: Any) -> None:
    _publish_txt(local, ses)
    local.control.tick()
    held = next(record for record in local.control.records(NAME) if record.type == "TXT")
    local.control.remove_record(NAME, held.id)
    local.control.tick()
    assert _statuses(ses)[0] == "TemporaryFailure"
    back = local.control.add_record(NAME, held.name, "TXT", held.value)
    local.control.tick()
    assert _statuses(ses)[0] == "Success"
    local.control.remove_record(NAME, back.id)
    local.control.tick()
    local.control.advance_clock(72 * HOURS)
    local.control.tick()
    assert _statuses(ses)[0] == "Failed"


def test_verifying_again_keeps_a_verified_status(local: Sandbox, ses: Any) -> None:
    _publish_txt(local, ses)
    local.control.tick()
    ses.verify_domain_identity(Domain=NAME)
    assert _statuses(ses)[0] == "Success"


def test_ses_reports_when_it_checked_and_what_it_found(local: Sandbox, ses: Any, over_http: Aws) -> None:
    ses.verify_domain_identity(Domain=NAME)
    assert _info(over_http) == {}
    local.control.tick()
    missing = _info(over_http)
    assert (missing["ErrorType"], "LastSuccessTimestamp" in missing) == ("HOST_NOT_FOUND", False)
    assert missing["SOARecord"]["PrimaryNameServer"] == "ns1.host.test"
    _publish_txt(local, ses)
    local.control.tick()
    found = _info(over_http)
    assert ("ErrorType" in found, found["LastSuccessTimestamp"]) == (False, found["LastCheckedTimestamp"])


def test_an_identity_deleted_meanwhile_is_skipped(local: Sandbox, ses: Any) -> None:
    _publish_txt(local, ses)
    ses.delete_identity(Identity=NAME)
    assert local.control.tick() == Round(0, ())
    ses.verify_domain_identity(Domain=NAME)
    assert _statuses(ses)[0] == "Pending"


def test_addresses_of_a_verified_identity_can_send_bounces(local: Sandbox, ses: Any) -> None:
    _publish_txt(local, ses)
    local.control.tick()
    ses.create_receipt_rule_set(RuleSetName="mail-set")
    bounce = {"SmtpReplyCode": "550", "Message": "no", "Sender": f"postmaster@{NAME}"}
    ses.create_receipt_rule(RuleSetName="mail-set", Rule={"Name": "b", "Actions": [{"BounceAction": bounce}]})
