"""Read people, customers, members, owners, invitations and keys, as a viewer may see them."""

import re
from collections.abc import Iterable

from allauth.account.models import EmailAddress
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Lower
from django.db.models.lookups import Exact
from django.utils import timezone

from accounts.members.core import hash_of
from accounts.models.api_keys import ApiKey
from accounts.models.people import Customer, Invitation, MemberRole, Membership, User
from audit import services as audit_services
from inbound_admin.lib.filters import in_values
from inbound_admin.lib.fixed_query import FixedQuery
from inbound_admin.lib.foreign_text import without_nul

Viewer = User | AnonymousUser
NO_ORGANISATION = "You don't belong to an organisation yet. Ask an owner to invite you."


def supports_everyone(viewer: Viewer) -> bool:
    """Whether the viewer is staff who can see the domains of every customer."""
    return viewer.is_active and viewer.has_perm("accounts.support_customer")


def is_staff_member(viewer: Viewer) -> bool:
    """Whether the sign-in rules for staff apply to the viewer."""
    return viewer.is_staff or viewer.is_superuser or supports_everyone(viewer)


def lacks_second_factor(viewer: Viewer) -> bool:
    """Whether the viewer must set up a second factor first (`STAFF_MFA_REQUIRED`)."""
    return settings.STAFF_MFA_REQUIRED and is_staff_member(viewer) and not is_mfa_enabled(viewer)


def customers_for(viewer: Viewer) -> QuerySet[Customer]:
    """Return the customers the viewer can see: their own, or all for staff."""
    if supports_everyone(viewer):
        return Customer.objects.all()
    if not isinstance(viewer, User) or not viewer.is_active:
        return Customer.objects.none()
    return Customer.objects.filter(memberships__user=viewer)


_OWN_CUSTOMERS = FixedQuery(
    lambda person: Membership.objects.filter(user_id=person).order_by("customer_id").values_list("customer_id"),
    compared=1,
)


def own_customer_ids(viewer: Viewer) -> list[str]:
    """Return the IDs of the customers that the viewer belongs to."""
    if not isinstance(viewer, User) or not viewer.is_active:
        return []
    return [customer for (customer,) in _OWN_CUSTOMERS.values(viewer.pk)]


def of_own_customers(viewer: Viewer, column: str = "customer") -> Q:
    """Filter rows by the viewer's own customers.

    Their IDs are read first: PostgreSQL has the rows of one customer in an index's order; with a subquery it would sort
    them all.
    """
    own = own_customer_ids(viewer)
    return Q(**{column: own[0]}) if len(own) == 1 else Q(**{f"{column}__in": own})


def find_customers(*, viewer: Viewer, text: str) -> QuerySet[Customer]:
    """Filter by part of the name or of a member's address, or by the full ID; annotate the number of members."""
    found = customers_for(viewer)
    if text:
        member = Membership.objects.filter(customer=OuterRef("pk"), user__email__icontains=text)
        found = found.filter(Q(name__icontains=text) | Q(pk=text) | Exists(member))
    # Counted for each row that is shown: grouping by a join would read every customer for any page.
    members = Membership.objects.filter(customer=OuterRef("pk")).order_by().values("customer").annotate(n=Count("pk"))
    counted = found.annotate(member_count=Coalesce(Subquery(members.values("n")), 0))
    return counted.order_by(Lower("name"), "pk")


def access_of(user: User) -> set[str]:
    """Return the user's memberships and staff permissions, as texts to compare. An owner has a member's access too."""
    roles = Membership.objects.filter(user=user).order_by().values_list("customer_id", "role")
    member = {f"{customer}:{MemberRole.MEMBER}" for customer, _ in roles}
    return member | {f"{customer}:{role}" for customer, role in roles} | user.get_all_permissions()


MOST_OFFERED = 20
_ID = re.compile(r"(?:^|\()(cus_[0-9a-z]+)\)?$")


def suggest_customers(*, viewer: Viewer, text: str) -> QuerySet[Customer]:
    """Return suggestions while typing: by part of the name, or by the ID."""
    found = customers_for(viewer).filter(Q(name__icontains=text) | Q(pk=text))
    return found.order_by("name", "pk")[:MOST_OFFERED]


def customer_label(customer: Customer) -> str:
    """Return name and ID, because two customers can have the same name."""
    return f"{customer.name} ({customer.pk})"


def customer_names(ids: Iterable[str]) -> dict[str, str]:
    """Return the names of these customers by ID, for staff."""
    return dict(Customer.objects.filter(pk__in=set(ids)).order_by().values_list("pk", "name"))


def with_shared_names(customers: Iterable[Customer], *, viewer: Viewer) -> set[str]:
    """Return the IDs of those whose name another customer that the viewer sees has too, ignoring case."""
    lower = {each.pk: each.name.lower() for each in customers}
    named = customers_for(viewer).annotate(lower=Lower("name")).filter(lower__in=set(lower.values())).order_by()
    shared = set(named.values("lower").annotate(n=Count("pk")).filter(n__gt=1).values_list("lower", flat=True))
    return {pk for pk, name in lower.items() if name in shared}


def customer_matching(text: str) -> Q:
    """Return a filter by ID, alone or as in `customer_label`, or by the full name."""
    text = without_nul(text).strip()
    known = _ID.search(text)
    return Q(pk=known.group(1)) if known else Q(pk=text) | Q(name__iexact=text)


def of_customer(column: str, text: str) -> Q:
    """Return a filter for rows of the customer that a text means."""
    known = _ID.search(text)
    return (
        Q(**{column: known.group(1)})
        if known
        else Q(**{f"{column}__in": Customer.objects.filter(customer_matching(text))})
    )


def customer_named(name: str, *, viewer: Viewer) -> Customer | None:
    """Return the oldest customer of that name, ignoring case."""
    return customers_for(viewer).filter(name__iexact=" ".join(name.split())).order_by("created_at", "pk").first()


def customers_called(texts: Iterable[str], among: Iterable[Customer]) -> dict[str, Customer | None]:
    """Return for each text the customer with this ID, or the only one with this name (any case); None if unclear."""
    return {text: found[0] if len(found) == 1 else None for text, found in all_called(texts, among).items()}


def all_called(texts: Iterable[str], among: Iterable[Customer]) -> dict[str, tuple[Customer, ...]]:
    """Return for each text the customer with this ID, or else all with this name (any case)."""
    by_id, by_name = dict[str, Customer](), dict[str, tuple[Customer, ...]]()
    for each in among:
        by_id[each.pk] = each
        by_name[each.name.casefold()] = (*by_name.get(each.name.casefold(), ()), each)
    return {text: (by_id[key],) if (key := text.casefold()) in by_id else by_name.get(key, ()) for text in texts}


def may_manage(viewer: Viewer, customer: Customer) -> bool:
    """Whether the viewer can rename the customer, and invite, change and remove members."""
    if supports_everyone(viewer) and viewer.has_perm("accounts.change_customer"):
        return True
    return isinstance(viewer, User) and owners_of(customer).filter(pk=viewer.pk).exists()


def owners_of(customer: Customer | str) -> QuerySet[User]:
    """Return the active owners of a customer or customer ID, who are notified about it."""
    return User.objects.filter(memberships__customer=customer, memberships__role=MemberRole.OWNER, is_active=True)


_OWNERS = FixedQuery(
    lambda customers: (
        Membership.objects.filter(in_values("customer_id", customers), role=MemberRole.OWNER)
        .order_by("-since", "-pk")
        .values_list("customer_id", "user_id")
    ),
    compared=1,
)


def first_owners(customer_ids: Iterable[str]) -> dict[str, str]:
    """Return the ID of the longest-standing owner of each customer, in one query."""
    return {customer: str(user) for customer, user in _OWNERS.values(sorted(set(customer_ids)))}


def members_of(customer: Customer) -> QuerySet[Membership]:
    """Return the members, owners first. The caller has checked access to the customer."""
    members = Membership.objects.filter(customer=customer).select_related("user")
    return members.order_by("-role", Lower("user__email"))  # "owner" comes after "member"


def memberships_of(viewer: Viewer) -> QuerySet[Membership]:
    """Return the viewer's memberships by the customers' names; none if not signed in or disabled."""
    if not isinstance(viewer, User) or not viewer.is_active:
        return Membership.objects.none()
    return Membership.objects.filter(user=viewer).select_related("customer").order_by("customer__name")


def pending_invitations(customer: Customer | None = None) -> QuerySet[Invitation]:
    """Return invitations that are neither accepted nor revoked, including expired ones: the customer's, or all."""
    invitations = Invitation.objects.filter(accepted_at=None, revoked_at=None).select_related("invited_by")
    return invitations.filter(customer=customer) if customer else invitations


def find_memberships(*, viewer: Viewer, text: str) -> QuerySet[Membership]:
    """Filter memberships of visible customers by part of a member's email address or name."""
    wanted = Q(user__email__icontains=text) | Q(user__first_name__icontains=text) | Q(user__last_name__icontains=text)
    found = Membership.objects.filter(wanted, customer__in=customers_for(viewer).values("pk"))
    return found.select_related("user", "customer").order_by(Lower("user__email"), "customer_id")


def find_invitations(*, viewer: Viewer, text: str) -> QuerySet[Invitation]:
    """Filter pending invitations of customers that the viewer manages, by part of the email address."""
    pending = pending_invitations().filter(email__icontains=text)
    if not (supports_everyone(viewer) and viewer.has_perm("accounts.change_customer")):
        if not isinstance(viewer, User) or not viewer.is_active:
            return Invitation.objects.none()
        owned = Membership.objects.filter(user=viewer, role=MemberRole.OWNER)
        pending = pending.filter(customer__in=owned.values("customer"))
    return pending.select_related("customer").order_by(Lower("email"), "customer_id")


def invitation_by_token(token: str) -> QuerySet[Invitation]:
    """Return a queryset of at most one invitation, so that a service can lock it."""
    return Invitation.objects.filter(token_hash=hash_of(token)).select_related("customer", "invited_by")


def people_by_email(email: str) -> QuerySet[User]:
    """Return people with this sign-in address or confirmed further address, including disabled accounts."""
    proven = EmailAddress.objects.filter(same_email(email), verified=True)
    return User.objects.filter(same_email(email) | Q(pk__in=proven.values("user")))


def same_email(email: str) -> Q:
    """Return a filter for an address, ignoring case. One case alone isn't enough: a dotless i becomes I in upper
    case, which would make it the address of another domain.
    """
    return Q(Exact(Lower("email"), Value(email.lower())), email__iexact=email)


def working_keys_of(person: User) -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), user=person, revoked_at=None)


def api_keys_of(person: User) -> QuerySet[ApiKey]:
    """Return the person's keys, active ones first."""
    return ApiKey.objects.filter(user=person).order_by(F("revoked_at").asc(nulls_first=True), "-created_at", "-pk")


def customer_subject(customer: Customer) -> audit_services.Subject:
    return audit_services.Subject("customer", customer.id, customer.name, customer.id)
