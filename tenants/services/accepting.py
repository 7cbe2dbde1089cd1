"""An invitation is accepted, by somebody new who chooses a password, or by somebody who is signed in."""

from dataclasses import dataclass
from enum import StrEnum

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.utils import timezone

from changes import services as changes
from inbound_admin.lib.errors import Refused
from tenants.core.invitations import InvitationState
from tenants.models import Invitation, Membership, User
from tenants.selectors import invitation_by_token, people_with
from tenants.services.customers import subject


class InvitationUnknown(Refused):
    code = "INVITATION_UNKNOWN"
    status = 404


class InvitationGone(Refused):
    """The link was good once."""

    status = 410


class WrongPerson(Refused):
    code = "INVITATION_WRONG_PERSON"
    status = 403


class Needs(StrEnum):
    NOTHING = "nothing"
    SIGN_IN = "sign_in"
    ACCOUNT = "account"


@dataclass(frozen=True)
class Offer:
    """What the holder of a link may accept, and what they need before."""

    invitation: Invitation
    needs: Needs


def offer(*, token: str, person: User | None) -> Offer:
    """What this person may do with the link. Raises Refused: unknown, used, withdrawn, expired, another's."""
    return _offer(invitation_by_token(token).first(), person)


@transaction.atomic
def accept_invitation(*, token: str, person: User | None, name: str = "", password: str = "") -> Membership:
    """Nobody signed in: makes the account. Whoever comes second with the link is refused. Raises Refused."""
    offered = _offer(invitation_by_token(token).select_for_update(of=("self",)).first(), person)
    invitation = offered.invitation
    if offered.needs is Needs.SIGN_IN:
        raise Refused(f"{invitation.email} has an account here. Sign in with it, then accept.", code="ACCOUNT_EXISTS")
    member = person or _new_person(invitation.email, name, password)
    membership, joined = Membership.objects.get_or_create(
        customer=invitation.customer, user=member, defaults={"role": invitation.role}
    )
    if not joined:
        raise Refused(f"You belong to {invitation.customer} already.", code="ALREADY_MEMBER")
    invitation.accepted_at = timezone.now()
    invitation.save(update_fields=("accepted_at",))
    after = {"member": member.email, "role": membership.role, "new_account": person is None}
    changes.record("member.joined", about=subject(invitation.customer), actor=member, after=after)
    return membership


def _offer(invitation: Invitation | None, person: User | None) -> Offer:
    if invitation is None:
        raise InvitationUnknown("We do not know this link. Perhaps the e-mail program cut it: copy it as a whole.")
    _refuse_unless_open(invitation)
    holders = list(people_with(invitation.email))
    if person is not None:
        if person not in holders:
            raise WrongPerson(f"This invitation is for {invitation.email}, and you are signed in as {person.email}.")
        return Offer(invitation, Needs.NOTHING)
    if holders and not any(holder.is_active for holder in holders):
        raise Refused(f"The account of {invitation.email} is switched off. Ask our support.", code="SWITCHED_OFF")
    return Offer(invitation, Needs.SIGN_IN if holders else Needs.ACCOUNT)


def _refuse_unless_open(invitation: Invitation) -> None:
    ask = f"Ask {invitation.customer} for a new one."
    sentences = {
        InvitationState.ACCEPTED: "This invitation was used already. If it was you, sign in.",
        InvitationState.REVOKED: f"This invitation was withdrawn or replaced. Use the newest e-mail, or: {ask}",
        InvitationState.EXPIRED: f"This invitation has expired, on {invitation.expires_at:%-d %B %Y}. {ask}",
    }
    state = invitation.state
    if state is not InvitationState.OPEN:
        code = "INVITATION_USED" if state is InvitationState.ACCEPTED else f"INVITATION_{state.name}"
        raise InvitationGone(sentences[state], code=code)


def _new_person(email: str, name: str, password: str) -> User:
    """The address needs no further proof: the link went to it and to nobody else."""
    if not password:
        raise Refused("Choose a password.")
    try:
        with transaction.atomic():
            person = User.objects.create_user(email, password, first_name=name.strip())
    except IntegrityError as error:
        raise Refused(f"{email} has an account here by now. Sign in, then accept.", code="ACCOUNT_EXISTS") from error
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    return person
