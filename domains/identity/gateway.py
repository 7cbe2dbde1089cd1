"""SES identities: one function per call. Raises AwsProblem and its subclasses; see `inbound_admin.lib.aws`.

Writes use the SESv2 API if it can, and v1 if v2 has no equivalent (the ownership token). Both APIs use the same data.
Domains are in ASCII, lower case, without a trailing dot.
"""

from collections.abc import Sequence
from typing import Any, Literal

from domains.checking.core.judgement import SesStatus
from domains.identity.core import Dkim, Identity, IdentityMailFrom
from inbound_admin.lib import aws

BATCH = 100  # SES v1 Get*Attributes refuses more identities in one call
PAGE = 1000  # SESv2 ListEmailIdentities: the largest page
LISTED = ("DOMAIN", "EMAIL_ADDRESS")
STRONG: Literal["RSA_2048_BIT"] = "RSA_2048_BIT"
WEAK: Literal["RSA_1024_BIT"] = "RSA_1024_BIT"
DOMAIN_TAG = "inbound-admin:domain"  # the tag of identities that we created


def create_identity(domain: str, *, domain_id: str) -> Identity:
    """Create the identity with Easy DKIM and our tag, and return its DKIM tokens and zone.

    It has the effect of v1 VerifyDomainDkim, but raises AwsConflict if the identity exists. SESv2 has no client token,
    so after a lost answer the tag shows whether the first attempt was ours.
    """
    with aws.calling("sesv2", f"create the identity {domain}") as ses:
        answer = ses.create_email_identity(EmailIdentity=domain, Tags=[{"Key": DOMAIN_TAG, "Value": domain_id}])
    return _read(domain, {**answer, "VerificationStatus": "PENDING"})


def get_identity(domain: str) -> Identity:
    """Return everything about one identity except its ownership token. Raises AwsMissing if SES does not know it."""
    with aws.calling("sesv2", f"read the identity {domain}") as ses:
        return _read(domain, ses.get_email_identity(EmailIdentity=domain))


def start_verification(domain: str) -> str:
    """v1 VerifyDomainIdentity: return the token for the TXT record. Idempotent; restarts a failed verification."""
    with aws.calling("ses", f"start the verification of {domain}") as ses:
        return str(ses.verify_domain_identity(Domain=domain)["VerificationToken"])


def start_dkim(domain: str) -> tuple[str, ...]:
    """v1 VerifyDomainDkim: return the same three tokens at each call; restarts a failed DKIM verification."""
    with aws.calling("ses", f"start the DKIM verification of {domain}") as ses:
        return tuple(ses.verify_domain_dkim(Domain=domain)["DkimTokens"])


def get_verification(domains: Sequence[str]) -> dict[str, tuple[SesStatus, str]]:
    """Return status and ownership token of up to 100 domains. Domains unknown to SES are left out."""
    with aws.calling("ses", "read the state of the identities") as ses:
        answer = ses.get_identity_verification_attributes(Identities=list(domains))
    found = answer["VerificationAttributes"].items()
    return {name: (_status(value["VerificationStatus"]), value.get("VerificationToken", "")) for name, value in found}


def get_dkim(domains: Sequence[str]) -> dict[str, Dkim]:
    """Return DKIM of up to 100 domains. Domains unknown to SES are left out."""
    with aws.calling("ses", "read the DKIM state of the identities") as ses:
        answer = ses.get_identity_dkim_attributes(Identities=list(domains))
    return {
        name: Dkim(_status(value["DkimVerificationStatus"]), value["DkimEnabled"], tuple(value.get("DkimTokens", ())))
        for name, value in answer["DkimAttributes"].items()
    }


def get_mail_from(domains: Sequence[str]) -> dict[str, IdentityMailFrom]:
    """Return MAIL FROM of up to 100 domains; the status is UNKNOWN if none is set."""
    with aws.calling("ses", "read the MAIL FROM state of the identities") as ses:
        answer = ses.get_identity_mail_from_domain_attributes(Identities=list(domains))
    return {
        name: IdentityMailFrom(
            value.get("MailFromDomain", ""),
            _status(value.get("MailFromDomainStatus", "")),
            value.get("BehaviorOnMXFailure", "") == "RejectMessage",
        )
        for name, value in answer["MailFromDomainAttributes"].items()
    }


def list_identities(token: str = "") -> tuple[dict[str, SesStatus], str]:
    """Return one page of up to 1,000 identities with their status, and the next page's token ("" at the end).

    Domains and email addresses: an address has an @.
    """
    with aws.calling("sesv2", "list the identities") as ses:
        answer = (
            ses.list_email_identities(PageSize=PAGE, NextToken=token)
            if token
            else ses.list_email_identities(PageSize=PAGE)
        )
    rows = answer.get("EmailIdentities", [])
    found = {row["IdentityName"]: _verification(row) for row in rows if row["IdentityType"] in LISTED}
    return found, str(answer.get("NextToken", ""))


def set_mail_from(domain: str, mail_from: str, *, reject_on_mx_failure: bool) -> None:
    """v1 SetIdentityMailFromDomain; "" clears it. Idempotent; restarts a failed MAIL FROM verification."""
    behaviour: Any = "RejectMessage" if reject_on_mx_failure else "UseDefaultValue"
    with aws.calling("ses", f"set the MAIL FROM domain of {domain}") as ses:
        wanted: dict[str, Any] = {"MailFromDomain": mail_from} if mail_from else {}
        ses.set_identity_mail_from_domain(Identity=domain, BehaviorOnMXFailure=behaviour, **wanted)


def set_dkim_signing(domain: str, *, enabled: bool) -> None:
    """Turn SES's DKIM signing on or off. Tokens and DKIM status do not change."""
    with aws.calling("sesv2", f"change DKIM signing of {domain}") as ses:
        ses.put_email_identity_dkim_attributes(EmailIdentity=domain, SigningEnabled=enabled)


def rotate_dkim_keys(domain: str, *, strong: bool) -> tuple[tuple[str, ...], str]:
    """Request Easy DKIM keys of 2,048 bits or of 1,024, and return the tokens and their zone.

    Only a different length creates new keys (SESv2 documents that change, and once a day). The same length changes
    nothing.
    """
    with aws.calling("sesv2", f"rotate the DKIM keys of {domain}") as ses:
        answer = ses.put_email_identity_dkim_signing_attributes(
            EmailIdentity=domain,
            SigningAttributesOrigin="AWS_SES",
            SigningAttributes={"NextSigningKeyLength": STRONG if strong else WEAK},
        )
    return tuple(answer.get("DkimTokens", [])), str(answer.get("SigningHostedZone", ""))


def delete_identity(domain: str) -> None:
    """Delete it. Refused (AwsProblem) while it has tenant associations. Raises AwsMissing if it is already deleted."""
    with aws.calling("sesv2", f"delete the identity {domain}") as ses:
        ses.delete_email_identity(EmailIdentity=domain)


def _read(domain: str, answer: Any) -> Identity:
    dkim, mail_from = answer.get("DkimAttributes", {}), answer.get("MailFromAttributes", {})
    seen = answer.get("VerificationInfo", {})
    soa = seen.get("SOARecord", {})
    return Identity(
        domain=domain,
        identity_status=_verification(answer),
        dkim_status=_status(dkim.get("Status", "")),
        dkim_signing=bool(dkim.get("SigningEnabled", False)),
        dkim_tokens=tuple(dkim.get("Tokens", [])),
        strong_dkim_key=dkim.get("NextSigningKeyLength", STRONG) == STRONG,
        dkim_origin=dkim.get("SigningAttributesOrigin", ""),
        own_dkim_key=dkim.get("SigningAttributesOrigin", "") == "EXTERNAL",
        dkim_zone=dkim.get("SigningHostedZone", ""),
        mail_from=mail_from.get("MailFromDomain", ""),
        mail_from_status=_status(mail_from.get("MailFromDomainStatus", "")),
        rejects_on_mx_failure=mail_from.get("BehaviorOnMxFailure", "") == "REJECT_MESSAGE",
        error_type=seen.get("ErrorType", ""),
        looked_at=seen.get("LastCheckedTimestamp"),
        soa=f"{soa.get('PrimaryNameServer', '')} {soa.get('SerialNumber', '')}".strip(),
        tags=tuple((tag["Key"], tag["Value"]) for tag in answer.get("Tags", [])),
        configuration_set=answer.get("ConfigurationSetName") or "",
    )


def _verification(response: Any) -> SesStatus:
    """If there is no status: an identity that may send is verified, otherwise the status is UNKNOWN."""
    if status := response.get("VerificationStatus", ""):
        return _status(status)
    may_send = response.get("VerifiedForSendingStatus") or response.get("SendingEnabled")
    return SesStatus.SUCCESS if may_send else SesStatus.UNKNOWN


def _status(text: str) -> SesStatus:
    """v1 writes `TemporaryFailure`, v2 `TEMPORARY_FAILURE`. An unknown value becomes UNKNOWN, never a guess."""
    plain = text.replace("_", "").lower()
    return next((status for status in SesStatus if status.value.replace("_", "").lower() == plain), SesStatus.UNKNOWN)
