"""Identities: one store for v1 and v2, as in SES. Here are the shared parts, and v1's operations (ses.md C)."""

from collections.abc import Callable, Mapping
from datetime import datetime

from moto.ses.models import EmailIdentity

from sandbox.aws import names
from sandbox.aws.errors import SesRefusal, invalid_parameter, validation_error
from sandbox.aws.extension import Answer, Request, v1
from sandbox.aws.pages import BadToken, page
from sandbox.aws.state import SUCCESS, WORLD, Aspect, Identity, RegionState
from sandbox.aws.tags import forget_tags


def canonical(name: str) -> str:
    """Domains are stored in lower case, local parts unchanged."""
    local, at, domain = name.rpartition("@")
    return f"{local}{at}{domain.lower()}"


def find(ask: Request, name: str) -> Identity | None:
    return ask.state.identities.get(canonical(name))


REPLICA = "AWS_SES_"


def tokens(state: RegionState, identity: Identity) -> list[str]:
    """A replica (Deterministic Easy DKIM) has the keys that its parent had when it was created."""
    if identity.origin == "EXTERNAL":
        return [identity.selector]
    return names.dkim_tokens(state.account_id, _home(state, identity), identity.domain, identity.key_generation)


def zone(state: RegionState, identity: Identity) -> str:
    return names.dkim_zone(_home(state, identity))


def _home(state: RegionState, identity: Identity) -> str:
    """Return the region whose keys it has: its own unless it is a replica."""
    is_replica = identity.origin.startswith(REPLICA)
    return identity.origin.removeprefix(REPLICA).lower().replace("_", "-") if is_replica else state.region


def create(ask: Request, name: str) -> Identity:
    """Raises LimitExceeded. Tags of an earlier, deleted identity don't come back."""
    if len(ask.state.identities) >= WORLD.limits.identities:
        raise SesRefusal("LimitExceededException", "Maximum number of identities exceeded.")
    identity = Identity(canonical(name), ask.now)
    ask.state.identities[identity.name] = identity
    ask.backend.email_identities[identity.name] = EmailIdentity(identity.name, None, None, None)
    return identity


def delete(ask: Request, identity: Identity, refuse: Callable[[str], SesRefusal]) -> None:
    arn = ask.state.arn("identity", identity.name)
    if ask.state.tenants_of(arn):
        raise refuse(f"Cannot delete {arn} because it has tenant associations.")
    del ask.state.identities[identity.name]
    ask.backend.email_identities.pop(identity.name, None)
    ask.backend.identity_mail_from_domains.pop(identity.name, None)
    forget_tags(ask, arn)


def set_mail_from(
    identity: Identity, domain: str, behavior: str, now: datetime, refuse: Callable[[str], SesRefusal]
) -> None:
    """An empty domain clears it. The same domain again keeps a verified one, and restarts a failed one."""
    domain = domain.lower()
    if not domain:
        identity.mail_from_domain, identity.mail_from = "", Aspect()
        return
    if not names.is_domain(domain) or not domain.endswith(f".{identity.domain}"):
        raise refuse(
            f"Provided MAIL-FROM domain <{domain}> is not subdomain of the domain of the identity <{identity.name}>."
        )
    if domain != identity.mail_from_domain:
        identity.mail_from = Aspect()
    identity.mail_from_domain, identity.behavior = domain, behavior
    identity.mail_from.start(now)


def _domain(ask: Request) -> Identity:
    """Return the identity of `Domain`, created if it is missing."""
    name = ask.text("Domain")
    if not names.is_domain(name):
        raise invalid_parameter(f"Invalid domain name {name}.")
    return find(ask, name) or create(ask, name)


@v1("VerifyDomainIdentity")
def verify_domain_identity(ask: Request) -> Answer:
    identity = _domain(ask)
    identity.has_txt = True
    identity.ownership.start(ask.now)
    return {"VerificationToken": names.txt_token(ask.state.account_id, ask.state.region, identity.name)}


@v1("VerifyDomainDkim")
def verify_domain_dkim(ask: Request) -> Answer:
    identity = _domain(ask)
    identity.dkim.start(ask.now)
    identity.ownership.start(ask.now)
    identity.keys_made = identity.keys_made or ask.now
    return {"DkimTokens": tokens(ask.state, identity)}


def _verify_address(ask: Request) -> Answer:
    name = ask.text("EmailAddress")
    if not names.is_address(name):
        raise invalid_parameter(f"Invalid email address {name}.")
    identity = find(ask, name) or create(ask, name)
    identity.ownership.start(ask.now)
    return None


v1("VerifyEmailIdentity")(_verify_address)
v1("VerifyEmailAddress")(_verify_address)


@v1("DeleteIdentity")
def delete_identity(ask: Request) -> Answer:
    if identity := find(ask, ask.text("Identity")):
        delete(ask, identity, invalid_parameter)
    return None


@v1("ListIdentities")
def list_identities(ask: Request) -> Answer:
    kind, size = ask.text("IdentityType"), int(ask.params.get("MaxItems") or WORLD.limits.identities_per_page)
    if kind not in ("", "EmailAddress", "Domain"):
        raise validation_error(f"Value '{kind}' at 'identityType' failed to satisfy constraint.")
    if not 1 <= size <= WORLD.limits.identities_per_page:
        raise invalid_parameter(f"MaxItems must be between 1 and {WORLD.limits.identities_per_page}.")
    chosen = [name for name in ask.state.identities if kind in ("", "EmailAddress" if "@" in name else "Domain")]
    try:
        found, token = page(chosen, str, size=size, token=ask.params.get("NextToken"), scope=f"v1 identities {kind}")
    except BadToken as problem:
        raise invalid_parameter("Invalid NextToken.") from problem
    return {"Identities": found, "NextToken": token}


@v1("SetIdentityMailFromDomain")
def set_identity_mail_from_domain(ask: Request) -> Answer:
    behavior = ask.text("BehaviorOnMXFailure", "UseDefaultValue")
    if behavior not in ("UseDefaultValue", "RejectMessage"):
        raise validation_error(f"Value '{behavior}' at 'behaviorOnMXFailure' failed to satisfy constraint.")
    set_mail_from(_known(ask), ask.text("MailFromDomain"), behavior, ask.now, invalid_parameter)
    return None


@v1("SetIdentityDkimEnabled")
def set_identity_dkim_enabled(ask: Request) -> Answer:
    _known(ask).signing_enabled = bool(ask.params.get("DkimEnabled"))
    return None


def _known(ask: Request) -> Identity:
    identity = find(ask, ask.text("Identity"))
    if identity is None:
        raise invalid_parameter(f"Identity <{ask.text('Identity')}> does not exist.")
    return identity


def _each(ask: Request, read: Callable[[Identity], Mapping[str, object] | None]) -> dict[str, object]:
    """Collect by identity, without unknown identities and those for which `read` returns None."""
    asked = ask.texts("Identities")
    if len(asked) > WORLD.limits.identities_per_call:
        raise invalid_parameter(f"The maximum number of identities is {WORLD.limits.identities_per_call}.")
    known = [(name, identity) for name in asked if (identity := find(ask, name))]
    return {name: answer for name, identity in known if (answer := read(identity)) is not None}


def has_token(identity: Identity) -> bool:
    """Return whether a TXT record verifies it. For an identity that v2 created with DKIM only, a belief decides."""
    return identity.has_txt or WORLD.beliefs.dkim_only_txt == "yes"


@v1("GetIdentityVerificationAttributes")
def get_identity_verification_attributes(ask: Request) -> Answer:
    def read(identity: Identity) -> Mapping[str, object]:
        token = names.txt_token(ask.state.account_id, ask.state.region, identity.name) if has_token(identity) else None
        return {"VerificationStatus": identity.ownership.status, "VerificationToken": token}

    return {"VerificationAttributes": _each(ask, read)}


@v1("GetIdentityDkimAttributes")
def get_identity_dkim_attributes(ask: Request) -> Answer:
    def read(identity: Identity) -> Mapping[str, object]:
        made = identity.dkim.since is not None
        return {
            "DkimEnabled": identity.signing_enabled and made,
            "DkimVerificationStatus": identity.dkim.status,
            "DkimTokens": tokens(ask.state, identity) if made else None,
        }

    return {"DkimAttributes": _each(ask, read)}


@v1("GetIdentityMailFromDomainAttributes")
def get_identity_mail_from_domain_attributes(ask: Request) -> Answer:
    def read(identity: Identity) -> Mapping[str, object]:
        if not identity.mail_from_domain:
            return {"BehaviorOnMXFailure": identity.behavior}
        return {
            "MailFromDomain": identity.mail_from_domain,
            "MailFromDomainStatus": identity.mail_from.status,
            "BehaviorOnMXFailure": identity.behavior,
        }

    return {"MailFromDomainAttributes": _each(ask, read)}


def is_verified(state: RegionState, name: str) -> bool:
    """Return whether it, or a parent domain, is verified, as sending inherits it."""
    at = canonical(name)
    domain = at.rpartition("@")[2].split(".")
    candidates = [at, *(".".join(domain[start:]) for start in range(len(domain) - 1))]
    found = [state.identities[candidate] for candidate in candidates if candidate in state.identities]
    return any(identity.ownership.status == SUCCESS for identity in found)
