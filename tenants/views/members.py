"""Inviting people to a customer, and what becomes of its members."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import SignedIn, asks_for_password
from tenants import selectors
from tenants.forms import InviteForm, RoleForm
from tenants.models import Customer, MemberRole, Membership
from tenants.services import invitations, members
from tenants.services.customers import require_manager
from tenants.views.parts import customer_of, done, frame, people_page, send_invitation


@never_cache
@require_POST
@asks_for_password
def invite(request: SignedIn, customer_id: str) -> HttpResponse:
    customer = customer_of(request, customer_id)
    require_manager(customer, request.user)
    form = InviteForm(request.POST)
    if form.is_valid():
        try:
            return send_invitation(request, customer, form.cleaned_data["email"], MemberRole(form.cleaned_data["role"]))
        except Refused as refused:
            form.add_error("email", str(refused))
    return people_page(request, customer, form=form)


@never_cache
@require_POST
@asks_for_password
def invitation(request: SignedIn, customer_id: str, invitation_id: int) -> HttpResponse:
    """Withdraw it, or send it again under a new link."""
    customer = customer_of(request, customer_id)
    pending = get_object_or_404(selectors.pending_invitations(customer), pk=invitation_id)
    if request.POST.get("do") == "resend":
        return send_invitation(request, customer, pending.email, MemberRole(pending.role))
    if request.POST.get("do") != "revoke":
        raise Refused("Say whether to withdraw the invitation or to send it again.")
    invitations.revoke_invitation(invitation=pending, actor=request.user)
    return done(request, customer, f"The invitation of {pending.email} was withdrawn.")


@require_http_methods(["GET", "POST"])
@asks_for_password
def member(request: SignedIn, customer_id: str, membership_id: int) -> HttpResponse:
    """A member's role, and the way out: for those who manage the customer, and for the member."""
    customer = customer_of(request, customer_id)
    membership = get_object_or_404(selectors.members_of(customer), pk=membership_id)
    own = membership.user_id == request.user.pk
    context = frame(request, customer, "people", membership=membership, own=own)
    if not own and not context["manages"]:
        raise Http404
    if request.method == "POST":
        return _change(request, customer, membership, own=own)
    context["form"] = RoleForm(initial={"role": membership.role})
    return TemplateResponse(request, "tenants/member.html", context)


def _change(request: SignedIn, customer: Customer, membership: Membership, *, own: bool) -> HttpResponse:
    if request.POST.get("do") == "remove":
        return _remove(request, customer, membership, own=own)
    form = RoleForm(request.POST)
    if not form.is_valid():
        raise Refused("Choose whether they are an owner or a member.")
    role = MemberRole(form.cleaned_data["role"])
    members.change_member_role(membership=membership, role=role, actor=request.user)
    word = "an owner" if role == MemberRole.OWNER else "a member"
    return done(request, customer, f"{membership.user} is now {word}.")


def _remove(request: SignedIn, customer: Customer, membership: Membership, *, own: bool) -> HttpResponse:
    if not own:
        members.remove_member(membership=membership, actor=request.user)
        return done(request, customer, f"{membership.user} was removed from {customer}.")
    members.leave(membership=membership)
    messages.success(request, f"You have left {customer}.")
    return redirect("home")
