"""Who is who: people, the customers (organisations) that they belong to, and invitations to join one."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from inbound_admin.lib.ids import new_id
from tenants.core.api_keys import KeyState, Scope, key_state
from tenants.core.invitations import InvitationState, state_at


def new_customer_id() -> str:
    return new_id("cus")


def new_key_id() -> str:
    return new_id("key")


class UserManager(DjangoUserManager["User"]):
    """People sign in by e-mail address, so there is no user name."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":  # type: ignore[override]  # Django's takes a user name first
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":  # type: ignore[override]  # as above
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class Theme(models.TextChoices):
    SYSTEM = "system", "As my device"
    LIGHT = "light", "Light"
    DARK = "dark", "Dark"


class User(AbstractUser):
    username = None  # type: ignore[assignment]  # people sign in by e-mail address
    email = models.EmailField("e-mail address", unique=True)
    theme = models.CharField(max_length=10, choices=Theme.choices, default=Theme.SYSTEM)
    shortcuts = models.BooleanField("keyboard shortcuts", default=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints = (models.UniqueConstraint(Lower("email"), name="user_email_any_case"),)

    def __str__(self) -> str:
        return self.get_full_name() or self.email


class Customer(models.Model):
    """An organisation whose domains receive mail through us. It alone holds domains; people hold memberships."""

    id = models.CharField(primary_key=True, max_length=40, default=new_customer_id, editable=False)
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="customers")

    class Meta:
        ordering = ("name", "id")
        permissions = (("support_customer", "Can see and support the domains of every customer"),)

    def __str__(self) -> str:
        return self.name


class MemberRole(models.TextChoices):
    OWNER = "owner", "Owner"
    MEMBER = "member", "Member"


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


class Invitation(models.Model):
    """A link to join a customer. The secret is in the link alone: we keep its hash, so a leaked table opens nothing."""

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


class ApiKey(models.Model):
    """A program's way in, as its user. The secret is shown once: we keep its hash, so a leaked table opens nothing."""

    id = models.CharField(primary_key=True, max_length=40, default=new_key_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=120)
    secret_hash = models.CharField(max_length=64, unique=True)
    starts = models.CharField(max_length=12, help_text="The secret's first characters, to recognise it by.")
    scopes = ArrayField(models.CharField(max_length=10, choices=[(scope.value, scope.value) for scope in Scope]))
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, help_text="To the minute.")
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at", "-id")
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.starts}…)"

    @property
    def state(self) -> KeyState:
        return key_state(timezone.now(), expires_at=self.expires_at, revoked_at=self.revoked_at)


def grant(apps: Any, permissions: Mapping[str, Iterable[str]]) -> None:
    """For migrations: give groups (by name, made if absent) permissions written as `domains.hold_domain`.

    Django makes the permissions of an app only after all migrations have run, so those that are named are made here.
    """
    for app_label in sorted({name.partition(".")[0] for names in permissions.values() for name in names}):
        create_permissions(installed.get_app_config(app_label), apps=apps, verbosity=0)
    for name, wanted in permissions.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=str(name))
        group.permissions.add(*(_permission(apps, permission) for permission in wanted))


def _permission(apps: Any, name: str) -> Any:
    app_label, _, codename = name.partition(".")
    return apps.get_model("auth", "Permission").objects.get(content_type__app_label=app_label, codename=codename)
