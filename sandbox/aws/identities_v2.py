"""SES v2's view of identities (ses.md C). Only v2 returns the DKIM zone, the tags and the reason of a failed check."""

import re

from sandbox.aws import names
from sandbox.aws.errors import already_exists, bad_request, not_found
from sandbox.aws.extension import Answer, Request, v2
from sandbox.aws.identities import create, delete, find, set_mail_from, tokens, zone
from sandbox.aws.pages import BadToken, page
from sandbox.aws.state import NOT_STARTED, PENDING, SUCCESS, WORLD, Aspect, Identity
from sandbox.aws.tags import put_tags, tags_of

BEHAVIORS = {"USE_DEFAULT_VALUE": "UseDefaultValue", "REJECT_MESSAGE": "RejectMessage"}
DEFAULT_PAGE = 25


def upper(status: str) -> str:
    """Convert v1's `TemporaryFailure` to v2's `TEMPORARY_FAILURE`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", status).upper()


def kind(identity: Identity) -> str:
    return "EMAIL_ADDRESS" if identity.is_address else "DOMAIN"


def _known(ask: Request) -> Identity:
    identity = find(ask, ask.text("EmailIdentity"))
    if identity is None:
        raise not_found(f"Email identity {ask.text('EmailIdentity')} does not exist.")
    return identity


def _dkim(ask: Request, identity: Identity, status: str | None = None) -> dict[str, object]:
    made = identity.dkim.since is not None
    return {
        "SigningEnabled": identity.signing_enabled and made,
        "Status": upper(status or identity.dkim.status),
        "Tokens": tokens(ask.state, identity) if made else [],
        "SigningHostedZone": _zone(ask, identity) if made else None,
        "SigningAttributesOrigin": identity.origin,
        "NextSigningKeyLength": identity.key_length,
        "CurrentSigningKeyLength": identity.key_length if identity.dkim.status == SUCCESS else None,
        "LastKeyGenerationTimestamp": identity.keys_made,
    }


def _zone(ask: Request, identity: Identity) -> str | None:
    is_shown = identity.origin != "EXTERNAL" and WORLD.beliefs.hosted_zone == "yes"
    return zone(ask.state, identity) if is_shown else None


@v2("CreateEmailIdentity")
def create_email_identity(ask: Request) -> Answer:
    name = ask.text("EmailIdentity")
    if not (names.is_address(name) if "@" in name else names.is_domain(name)):
        raise bad_request(f"Invalid email identity {name}.")
    if find(ask, name):
        raise already_exists(f"Email identity {name} already exists.")
    identity = create(ask, name)
    identity.configuration_set = ask.text("ConfigurationSetName")
    identity.ownership.start(ask.now)
    put_tags(ask, ask.state.arn("identity", identity.name), ask.params.get("Tags") or [])
    if not identity.is_address:
        _sign(ask, identity, ask.params.get("DkimSigningAttributes") or {})
    # Observed on real SES: the response says NOT_STARTED, the next read PENDING.
    answer = _dkim(ask, identity, NOT_STARTED)
    return {"IdentityType": kind(identity), "VerifiedForSendingStatus": False, "DkimAttributes": answer}


def _sign(ask: Request, identity: Identity, attributes: dict[str, str]) -> None:
    identity.selector = attributes.get("DomainSigningSelector", "")
    parent = attributes.get("DomainSigningAttributesOrigin", "")
    identity.origin = "EXTERNAL" if identity.selector else parent or "AWS_SES"
    identity.key_length = attributes.get("NextSigningKeyLength", identity.key_length)
    identity.keys_made = ask.now
    identity.dkim.start(ask.now)


@v2("GetEmailIdentity")
def get_email_identity(ask: Request) -> Answer:
    identity = _known(ask)
    return {
        "IdentityType": kind(identity),
        "FeedbackForwardingStatus": True,
        "VerifiedForSendingStatus": identity.ownership.status == SUCCESS,
        "DkimAttributes": _dkim(ask, identity),
        "MailFromAttributes": _mail_from(identity),
        "Policies": dict(ask.backend.email_identities[identity.name].policies),
        "Tags": tags_of(ask, ask.state.arn("identity", identity.name)),
        "ConfigurationSetName": identity.configuration_set or None,
        "VerificationStatus": upper(identity.ownership.status),
        "VerificationInfo": _info(identity),
    }


def _mail_from(identity: Identity) -> dict[str, object] | None:
    if not identity.mail_from_domain:
        return None
    return {
        "MailFromDomain": identity.mail_from_domain,
        "MailFromDomainStatus": upper(identity.mail_from.status),
        "BehaviorOnMxFailure": upper(identity.behavior),
    }


def _info(identity: Identity) -> dict[str, object]:
    checked, soa = identity.ownership, identity.soa
    record = soa and {"PrimaryNameServer": soa.primary, "AdminEmail": soa.admin, "SerialNumber": soa.serial}
    return {
        "LastCheckedTimestamp": checked.checked,
        "LastSuccessTimestamp": checked.succeeded,
        "ErrorType": checked.error,
        "SOARecord": record,
    }


@v2("ListEmailIdentities")
def list_email_identities(ask: Request) -> Answer:
    wanted: dict[str, str] = ask.params.get("Filter") or {}
    size = int(ask.params.get("PageSize") or DEFAULT_PAGE)
    if not 1 <= size <= WORLD.limits.identities_per_page:
        raise bad_request(f"PageSize must be between 1 and {WORLD.limits.identities_per_page}.")
    chosen = [identity for identity in ask.state.identities.values() if _matches(identity, wanted)]
    scope = f"v2 identities {sorted(wanted.items())}"
    try:
        found, token = page(chosen, lambda one: one.name, size=size, token=ask.params.get("NextToken"), scope=scope)
    except BadToken as problem:
        raise bad_request("Invalid NextToken.") from problem
    return {"EmailIdentities": [_listed(identity) for identity in found], "NextToken": token}


def _listed(identity: Identity) -> dict[str, object]:
    return {
        "IdentityType": kind(identity),
        "IdentityName": identity.name,
        "SendingEnabled": identity.ownership.status == SUCCESS,
        "VerificationStatus": upper(identity.ownership.status),
    }


def _matches(identity: Identity, wanted: dict[str, str]) -> bool:
    return (
        wanted.get("IDENTITY_NAME_CONTAINS", "").lower() in identity.name
        and wanted.get("IDENTITY_TYPE", kind(identity)) == kind(identity)
        and wanted.get("VERIFICATION_STATUS", upper(identity.ownership.status)) == upper(identity.ownership.status)
    )


@v2("DeleteEmailIdentity")
def delete_email_identity(ask: Request) -> Answer:
    delete(ask, _known(ask), bad_request)
    return None


@v2("PutEmailIdentityMailFromAttributes")
def put_email_identity_mail_from_attributes(ask: Request) -> Answer:
    behavior = BEHAVIORS.get(ask.text("BehaviorOnMxFailure", "USE_DEFAULT_VALUE"))
    if behavior is None:
        raise bad_request(f"Invalid BehaviorOnMxFailure {ask.text('BehaviorOnMxFailure')}.")
    set_mail_from(_known(ask), ask.text("MailFromDomain"), behavior, ask.now, bad_request)
    return None


@v2("PutEmailIdentityDkimAttributes")
def put_email_identity_dkim_attributes(ask: Request) -> Answer:
    _known(ask).signing_enabled = bool(ask.params.get("SigningEnabled"))
    return None


@v2("PutEmailIdentityDkimSigningAttributes")
def put_email_identity_dkim_signing_attributes(ask: Request) -> Answer:
    """Another key length creates new tokens and restarts DKIM; the identity stays verified (ses.md C)."""
    identity, attributes = _known(ask), ask.params.get("SigningAttributes") or {}
    length = attributes.get("NextSigningKeyLength", identity.key_length)
    if length != identity.key_length or identity.origin == "EXTERNAL":
        identity.key_generation += 1
        identity.dkim = Aspect(PENDING, ask.now)
    _sign(ask, identity, attributes)
    status = upper(identity.dkim.status)
    return {
        "DkimStatus": status,
        "DkimTokens": tokens(ask.state, identity),
        "SigningHostedZone": _zone(ask, identity),
    }


@v2("PutEmailIdentityConfigurationSetAttributes")
def put_email_identity_configuration_set_attributes(ask: Request) -> Answer:
    _known(ask).configuration_set = ask.text("ConfigurationSetName")
    return None
