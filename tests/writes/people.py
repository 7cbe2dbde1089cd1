"""Writes to people, customers, members and invitations."""

from collections.abc import Callable
from typing import Any

from accounts.api_keys.services import create_api_key
from accounts.members.services import invite
from accounts.models.people import MemberRole
from tests.accounts.invitations import mailed_token
from tests.factories import make_member
from tests.writes.world import Post, World, Write


def _member(**form: str) -> Callable[[World], Post]:
    def of(world: World) -> Post:
        member = make_member(world.customer, role=MemberRole.MEMBER)
        return Post((world.customer.pk, member.memberships.get().pk), form)

    return of


def _invited(world: World, email: str = "carol@alice.com") -> Any:
    site = "http://testserver/"
    return invite(customer=world.customer, email=email, role=MemberRole.MEMBER, actor=world.alice, site_url=site)


def _invitation(do: str) -> Callable[[World], Post]:
    return lambda world: Post((world.customer.pk, _invited(world).invitation.pk), {"do": do})


def _accept(world: World) -> Post:
    return Post((mailed_token(_invited(world, world.people["olga"].email).invitation),))


WRITES = (
    Write("customers:create", "customer.created", "sam", lambda _: Post(form={"name": "Acme"}), also=("tenant.added",)),
    Write(
        "accounts:account",
        "person.account_changed",
        "alice",
        lambda _: Post(form={"name": "Al", "theme": "dark", "density": "compact"}),
    ),
    Write("accounts:theme", "person.account_changed", "alice", lambda _: Post(form={"theme": "dark"})),
    Write(
        "accounts:keys",
        "api_key.created",
        "alice",
        lambda _: Post(form={"name": "Billing", "scopes": ["read"], "days": "90", "once": "a"}),
    ),
    Write(
        "accounts:revoke_key",
        "api_key.revoked",
        "alice",
        lambda w: Post((create_api_key(user=w.alice, name="x", scopes=("read",), actor=w.alice).key.pk,)),
    ),
    Write("customers:rename", "customer.renamed", "alice", lambda w: Post((w.customer.pk,), {"name": "Alice & Sons"})),
    Write(
        "customers:invite",
        "member.invited",
        "alice",
        lambda w: Post((w.customer.pk,), {"email": "carol@alice.com", "role": "member"}),
    ),
    Write("customers:invitation", "invitation.revoked", "alice", _invitation("revoke")),
    Write("customers:invitation", "member.invited", "alice", _invitation("resend")),
    Write("accounts:accept", "member.joined", "olga", _accept),
    Write("customers:member", "member.role_changed", "alice", _member(do="role", role="owner")),
    Write("customers:member", "member.removed", "alice", _member(do="remove")),
)
