from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from tenants.models import Customer, MemberRole, User

Viewer = User | AnonymousUser


def supports_everyone(viewer: Viewer) -> bool:
    """Whether the viewer is one of our staff who may see the domains of every customer."""
    return viewer.is_active and viewer.has_perm("tenants.support_customer")


def customers_for(viewer: Viewer) -> QuerySet[Customer]:
    """The customers that the viewer may see: their own, or all for staff who support them."""
    if supports_everyone(viewer):
        return Customer.objects.all()
    if not isinstance(viewer, User) or not viewer.is_active:
        return Customer.objects.none()
    return Customer.objects.filter(memberships__user=viewer)


def owners_of(customer: Customer) -> QuerySet[User]:
    """Who is told of what concerns the customer."""
    return User.objects.filter(memberships__customer=customer, memberships__role=MemberRole.OWNER, is_active=True)
