"""People, customers (organisations), memberships and invitations."""

from typing import Any, ClassVar, Self

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.functional import cached_property

from accounts.members.core import InvitationState, state_at
from inbound_admin.lib.fixed_query import FixedQuery
from inbound_admin.lib.ids import new_id
from inbound_admin.lib.lockable import Lockable


def new_customer_id() -> str:
    return new_id("cus")


class UserManager(DjangoUserManager["User"]):
    """People sign in by email address, so there is no user name."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":  # type: ignore[override]  # Django's takes a user name first
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":  # type: ignore[override]  # as above
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class Theme(models.TextChoices):
    SYSTEM = "system", "Same as device"
    LIGHT = "light", "Light"
    DARK = "dark", "Dark"


class Density(models.TextChoices):
    COMFORTABLE = "comfortable", "Comfortable"
    COMPACT = "compact", "Compact"


class User(Lockable, AbstractUser):
    username = None  # type: ignore[assignment]  # people sign in by email address
    email = models.EmailField("email address", unique=True)
    theme = models.CharField(max_length=10, choices=Theme.choices, default=Theme.SYSTEM)
    density = models.CharField(
        max_length=12, choices=Density.choices, default=Density.COMFORTABLE, db_default=Density.COMFORTABLE
    )
    shortcuts = models.BooleanField("keyboard shortcuts", default=True)
    session_generation = models.PositiveIntegerField(default=0, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    SESSION_SALT: ClassVar[str] = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
    objects: ClassVar[UserManager] = UserManager()
    staff_rights = True  # an API key without the scope "staff" acts without them; no column
    acts_by_key = ""  # the key's name, as the change log shows it; no column either

    class Meta:
        constraints = (models.UniqueConstraint(Lower("email"), name="user_email_any_case"),)

    def __str__(self) -> str:
        return self.get_full_name() or self.email

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Like Django's, but a new `session_generation` ends sessions as a new password does."""
        value = f"{self.password}{self.session_generation or ''}"
        return salted_hmac(self.SESSION_SALT, value, secret=secret, algorithm="sha256").hexdigest()

    @cached_property
    def may_be_member(self) -> bool:
        """Whether to look for what a customer's members see. Staff are rarely members, and asking is less than that."""
        return not self.is_staff or _MEMBERSHIPS.exists(self.pk)

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return self.staff_rights and super().has_perm(perm, obj)

    def acts_for_customer(self, customer_id: str) -> bool:
        """Whether this is staff acting for a customer that has members and that they don't belong to."""
        if not (self.is_staff or self.is_superuser) or not self.staff_rights:
            return False
        people = set(Membership.objects.filter(customer=customer_id).values_list("user_id", flat=True))
        return bool(people) and self.pk not in people

    def may_for(self, customer_id: str, permission: str) -> bool:
        """Whether this is staff with the permission, or a member of the customer."""
        if self.has_perm(permission):
            return True
        return bool(customer_id) and self.memberships.filter(customer=customer_id).exists()

    def get_all_permissions(self, obj: Any = None) -> set[str]:
        return super().get_all_permissions(obj) if self.staff_rights else set()


class Customer(Lockable):
    """An organisation. It owns domains; people have memberships."""

    id = models.CharField(primary_key=True, max_length=40, default=new_customer_id, editable=False)
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="customers")

    class Meta:
        ordering = ("name", "id")
        indexes = (
            models.Index(fields=("name", "id"), name="customer_by_name"),
            models.Index(Lower("name"), "id", name="customer_by_any_case"),
        )
        permissions = (("support_customer", "Can see and support the domains of every customer"),)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def locked(cls, pk: object, *related: str, no_key: bool = True) -> Self:
        """Return the row as `Lockable`. Raises DeletedMeanwhile."""
        return super().locked(pk, *related, no_key=no_key)


class MemberRole(models.TextChoices):
    OWNER = "owner", "Owner"
    MEMBER = "member", "Member"


_MEMBERSHIPS = FixedQuery(lambda person: Membership.objects.filter(user_id=person), compared=1)


class Membership(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=MemberRole.choices, default=MemberRole.MEMBER)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("since", "id")
        constraints = (models.UniqueConstraint(fields=("customer", "user"), name="member_once"),)

    def __str__(self) -> str:
        return f"{self.user} of {self.customer}"

    @property
    def is_owner(self) -> bool:
        return self.role == MemberRole.OWNER


class Invitation(Lockable):
    """A link to join a customer. The link's secret is stored as a hash."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=MemberRole.choices, default=MemberRole.MEMBER)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("customer", "email"),
                condition=models.Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="one_open_invitation",
            ),
        )

    def __str__(self) -> str:
        return f"{self.email} to {self.customer}"

    @property
    def state(self) -> InvitationState:
        return state_at(
            timezone.now(), expires_at=self.expires_at, accepted_at=self.accepted_at, revoked_at=self.revoked_at
        )
