"""Admin of accounts, roles, invitations and API keys. Every change calls a service."""

from collections.abc import Callable, Iterable
from typing import Any

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver

from accounts.api_keys.services import revoke_api_key
from accounts.members.core import InvitationState
from accounts.members.services import invite, revoke_invitation
from accounts.models.api_keys import ApiKey
from accounts.models.people import Invitation, MemberRole, User
from accounts.people.services import disable, enable, send_password_link, shown_person, store_person
from inbound_admin.lib.admin import ReadOnly, RefusableForm, SeenAdmin, SeenForm
from inbound_admin.lib.errors import Refused

# The admin's own sign-in has neither the second factor nor a limit of attempts, so allauth's replaces it.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # as allauth documents it


def each(request: HttpRequest, rows: Iterable[Model], act: Callable[[Any], object], done: str) -> None:
    """Run `act` for each row and show a message for each. A refused row doesn't stop the others."""
    for row in rows:
        try:
            act(row)
        except Refused as refused:
            messages.error(request, f"{row}: {refused}")
        else:
            messages.success(request, f"{row}: {done}")


class PersonForm(SeenForm):
    def shown(self, row: User) -> dict[str, Any]:
        return shown_person(row)


@admin.register(User)
class PersonAdmin(SeenAdmin, UserAdmin[User]):
    """No passwords: people set their own through a link. No deletion, because the change log names people."""

    form = PersonForm
    add_form = RefusableForm  # Django's requires a password
    ordering = ("email",)
    list_display = ("email", "full_name", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("email", "first_name", "last_name", "memberships__customer__name")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("email", "first_name", "last_name", "seen")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "groups", "is_superuser")}),
        ("Activity", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": ("email", "first_name", "last_name", "is_staff", "groups"),
                "description": "After saving, select the person in the list and run “Send password link”.",
            },
        ),
    )
    actions = ("send_link", "turn_off", "turn_on")

    @admin.display(description="Name", ordering="first_name")
    def full_name(self, person: User) -> str:
        return person.get_full_name()

    def get_urls(self) -> list[URLPattern | URLResolver]:  # type: ignore[override]  # the stubs know no resolvers
        return super(UserAdmin, self).get_urls()  # type: ignore[return-value]  # as above; without the password page

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Only owners change their address, because anyone who can write it could take over the account."""
        fixed = ("last_login", "date_joined") + (("email",) if obj else ())
        return fixed if who(request).is_superuser else (*fixed, "is_superuser")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        above = obj is not None and obj.is_superuser and not who(request).is_superuser
        return super().has_change_permission(request, obj) and not above

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        groups = form.cleaned_data.get("groups", ())
        store_person(person=obj, groups=groups, actor=who(request), seen=form.cleaned_data.get("seen", ""))

    @admin.action(description="Send password link", permissions=["change"])
    def send_link(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        each(
            request, queryset, lambda row: send_password_link(person=row, actor=who(request), request=request), "sent."
        )

    @admin.action(description="Disable", permissions=["change"])
    def turn_off(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        each(request, queryset, lambda row: disable(person=row, actor=who(request)), "disabled.")

    @admin.action(description="Enable", permissions=["change"])
    def turn_on(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        each(request, queryset, lambda row: enable(person=row, actor=who(request)), "enabled.")


class OnlyActions(ReadOnly):
    """Actions are allowed to who may change the rows, but no field can be edited."""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return obj is None and admin.ModelAdmin.has_change_permission(self, request, obj)


@admin.register(Invitation)
class InvitationAdmin(OnlyActions):
    list_display = ("email", "customer", "role", "state", "invited_by", "created_at", "expires_at")
    list_filter = ("role", ("accepted_at", admin.EmptyFieldListFilter), ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("customer", "invited_by")
    search_fields = ("email", "customer__name")
    fields = readonly_fields = (
        *("email", "customer", "role", "state", "invited_by"),
        *("created_at", "expires_at", "accepted_at", "revoked_at"),
    )
    actions = ("send_again", "revoke")

    @admin.action(description="Send again with a new link", permissions=["change"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        each(request, queryset, lambda row: _send_again(request, row), "sent again.")

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        each(request, queryset, lambda row: revoke_invitation(invitation=row, actor=who(request)), "revoked.")


@admin.register(ApiKey)
class ApiKeyAdmin(OnlyActions):
    """Keys are created on the command line or by their owner. The admin only revokes them."""

    list_display = ("name", "starts", "user", "scope_list", "state", "created_at", "last_used_at", "expires_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("user",)
    search_fields = ("name", "=starts", "=id", "user__email")
    fields = readonly_fields = (
        *("name", "id", "starts", "user", "scope_list", "state"),
        *("created_at", "last_used_at", "expires_at", "revoked_at"),
    )
    actions = ("revoke",)

    @admin.display(description="Scopes")
    def scope_list(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        each(request, queryset, lambda row: revoke_api_key(key=row, actor=who(request)), "revoked.")


def _send_again(request: HttpRequest, row: Invitation) -> None:
    if row.state in (InvitationState.ACCEPTED, InvitationState.REVOKED):
        raise Refused(f"it is already {row.state.value}. Invite the person again on the customer's page.")
    invited = invite(
        customer=row.customer,
        email=row.email,
        role=MemberRole(row.role),
        actor=who(request),
        site_url=settings.SITE_URL or request.build_absolute_uri("/"),
    )
    if not invited.mailed:
        raise Refused("a new link was created, but the email couldn't be sent. Try again later.")


def who(request: HttpRequest) -> User:
    """Return the signed-in user. The admin requires one."""
    if not isinstance(request.user, User):
        raise TypeError("nobody is signed in")
    return request.user
