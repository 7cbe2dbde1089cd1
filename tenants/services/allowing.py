"""Who of our staff may do what to tenants. None is we ourselves."""

from inbound_admin.lib.errors import Refused
from tenants.models import User

PAUSE = "tenants.pause_tenant"
MANAGE = "tenants.manage_tenant"


class NotAllowed(Refused):
    """The person may see the thing, but not do this to it."""

    code = "NOT_ALLOWED"
    status = 403


def require(actor: User | None, permission: str, sentence: str) -> None:
    """Raises NotAllowed with the sentence unless the actor has the permission."""
    if actor is not None and not actor.has_perm(permission):
        raise NotAllowed(sentence)


def require_reason(because: str, sentence: str) -> str:
    """The reason, trimmed. Raises Refused with the sentence when there is none."""
    if not because.strip():
        raise Refused(sentence, code="REASON_MISSING")
    return because.strip()
