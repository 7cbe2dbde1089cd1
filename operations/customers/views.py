"""Pages of customers: the list, a new one, and a customer's tabs with people, invitations and history."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.members import services as members_services
from accounts.members.services import Invited, require_manager
from accounts.models.people import Customer, MemberRole, Membership
from accounts.people import selectors as people_selectors
from audit.selectors import changes_of
from domains.sharing.selectors import links_made_by
from inbound_admin.lib.errors import ChangedMeanwhile, NotAllowed, Refused
from inbound_admin.lib.http import SignedIn, form_page, page_of, requires_password, site_url, template
from inbound_admin.lib.lists import text_in
from operations.customers.forms import InviteForm, NewCustomerForm, RenameForm, RoleForm
from operations.customers.services import create_customer, end_membership, rename_customer
from tenants.lifecycle import selectors as lifecycle_selectors

PENDING_SHOWN = 100


def customer_of(request: SignedIn, customer_id: str) -> Customer:
    return get_object_or_404(people_selectors.customers_for(request.user), pk=customer_id)


def frame(request: SignedIn, customer: Customer, tab: str, **more: Any) -> dict[str, Any]:
    manages = people_selectors.may_manage(request.user, customer)
    return {"customer": customer, "manages": manages, "tab": tab, **more}


def people_page(
    request: SignedIn,
    customer: Customer,
    *,
    form: InviteForm | None = None,
    said: str = "",
    good: bool = True,
) -> HttpResponse:
    """Render the people page. A given `form` has errors."""
    context = frame(request, customer, "people", said=said, good=good, form=form or _invite_form(customer))
    context["page"] = page_of(people_selectors.members_of(customer), request)
    if tenant := lifecycle_selectors.tenant_of(customer):
        context |= {"tenant": tenant, "sentence": lifecycle_selectors.customer_sentence(tenant)}
    if context["manages"]:
        context["invitation_days"] = settings.INVITATION_DAYS
        context["invitations"] = people_selectors.pending_invitations(customer)[:PENDING_SHOWN]
    name = template(request, "accounts/customers/detail.html", "people")
    return TemplateResponse(request, name, context, status=422 if form else 200)


def _invite_form(customer: Customer) -> InviteForm:
    """A customer's first invitation is for an owner."""
    owned = people_selectors.owners_of(customer).exists()
    return InviteForm(initial={"role": MemberRole.MEMBER if owned else MemberRole.OWNER})


def done(request: SignedIn, customer: Customer, said: str, *, good: bool = True) -> HttpResponse:
    if request.htmx:
        return people_page(request, customer, said=said, good=good)
    messages.add_message(request, messages.SUCCESS if good else messages.WARNING, said)
    return redirect("customers:detail", customer.pk)


def send_invitation(request: SignedIn, customer: Customer, email: str, role: MemberRole) -> HttpResponse:
    """Email the link. It is shown nowhere else, since anyone with it could create an account for any address."""
    site = site_url(request)
    invited = members_services.invite(customer=customer, email=email, role=role, actor=request.user, site_url=site)
    return done(request, customer, _invitation_message(invited), good=invited.mailed)


def _invitation_message(invited: Invited) -> str:
    email = invited.invitation.email
    if invited.mailed:
        return f"Invitation sent to {email}. It expires on {invited.invitation.expires_at:%-d %B %Y}."
    return f"The invitation for {email} was created, but the email could not be sent. Send it again later."


@require_GET
def choices(request: SignedIn) -> HttpResponse:
    """Return options for a field in which a customer is typed, whatever the field's name."""
    text = text_in(request.GET, next(iter(request.GET), ""))
    found = people_selectors.suggest_customers(viewer=request.user, text=text) if text else ()
    return HttpResponse(
        format_html_join(
            "", '<option value="{}"></option>', ([people_selectors.customer_label(each)] for each in found)
        )
    )


@require_GET
def list_(request: SignedIn) -> HttpResponse:
    """List all customers for staff; redirect a person with one customer to it."""
    staff = people_selectors.supports_everyone(request.user)
    text = text_in(request.GET, "q")
    found = people_selectors.find_customers(viewer=request.user, text=text)
    if not staff and not text and len(own := found[:2]) == 1:
        return redirect("customers:detail", own[0].pk)
    may_create = request.user.has_perm("accounts.add_customer")
    page = page_of(found, request)
    context = {"page": page, "q": text, "may_create": may_create}
    context["shared_names"] = people_selectors.with_shared_names(page.object_list, viewer=request.user)
    return TemplateResponse(request, template(request, "accounts/customers/list.html", "results"), context)


@never_cache
@require_http_methods(["GET", "POST"])
@requires_password
def create(request: SignedIn) -> HttpResponse:
    if not request.user.has_perm("accounts.add_customer"):
        raise NotAllowed("Your role can't create customers.")
    form = NewCustomerForm(request.POST or None, viewer=request.user)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        customer = create_customer(name=given["name"], owner=None, actor=request.user, customer_id=given["customer_id"])
        if given["owner"]:
            return send_invitation(request, customer, given["owner"], MemberRole.OWNER)
        return redirect("customers:detail", customer.pk)
    return form_page(request, "accounts/customers/create.html", {"form": form})


@require_GET
def detail(request: SignedIn, customer_id: str) -> HttpResponse:
    return people_page(request, customer_of(request, customer_id))


@require_GET
def history(request: SignedIn, customer_id: str) -> HttpResponse:
    customer = customer_of(request, customer_id)
    theirs = None if people_selectors.supports_everyone(request.user) else (customer.id,)
    changes = page_of(changes_of("customer", customer.id, of_customers=theirs), request)
    return TemplateResponse(
        request, "accounts/customers/history.html", frame(request, customer, "history", changes=changes)
    )


@require_http_methods(["GET", "POST"])
def rename(request: SignedIn, customer_id: str) -> HttpResponse:
    customer = customer_of(request, customer_id)
    require_manager(customer, request.user)
    form = RenameForm(request.POST or None, customer=customer)
    if request.method == "POST" and form.is_valid():
        try:
            rename_customer(customer=customer, actor=request.user, **form.cleaned_data)
        except ChangedMeanwhile as changed:
            messages.error(request, str(changed))
            return redirect("customers:rename", customer.pk)
        except Refused as refused:
            form.add_error("name", str(refused))
        else:
            messages.success(request, f"Name changed to {customer.name}.")
            return redirect("customers:detail", customer.pk)
    context = frame(request, customer, "rename", form=form)
    return form_page(request, "accounts/customers/rename.html", context)


@never_cache
@require_POST
@requires_password
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
@requires_password
def invitation(request: SignedIn, customer_id: str, invitation_id: int) -> HttpResponse:
    """Revoke the invitation, or send it again with a new link."""
    customer = customer_of(request, customer_id)
    pending = get_object_or_404(people_selectors.pending_invitations(customer), pk=invitation_id)
    if request.POST.get("do") == "resend":
        return send_invitation(request, customer, pending.email, MemberRole(pending.role))
    if request.POST.get("do") != "revoke":
        raise Refused("Choose whether to revoke the invitation or send it again.")
    members_services.revoke_invitation(invitation=pending, actor=request.user)
    return done(request, customer, f"Invitation for {pending.email} revoked.")


@require_http_methods(["GET", "POST"])
@requires_password
def member(request: SignedIn, customer_id: str, membership_id: int) -> HttpResponse:
    """Change a member's role or remove them: by those who manage the customer, or by the member."""
    customer = customer_of(request, customer_id)
    membership = get_object_or_404(people_selectors.members_of(customer), pk=membership_id)
    own = membership.user_id == request.user.pk
    context = frame(request, customer, "people", membership=membership, own=own)
    if not own and not context["manages"]:
        raise Http404
    if request.method == "POST":
        try:
            return _change(request, customer, membership, own=own)
        except Refused as refused:
            if refused.code != "LAST_OWNER":
                raise
            context["refused"] = str(refused)
    sent = people_selectors.pending_invitations(customer).filter(invited_by=membership.user_id)
    context |= {"form": RoleForm(None, membership=membership), "sent_invitations": sent.count()}
    context["share_links"] = links_made_by(membership.user, customer)
    return TemplateResponse(
        request, "accounts/customers/member.html", context, status=422 if "refused" in context else 200
    )


def _change(request: SignedIn, customer: Customer, membership: Membership, *, own: bool) -> HttpResponse:
    if request.POST.get("do") == "remove":
        return _remove(request, customer, membership, own=own)
    form = RoleForm(request.POST, membership=membership)
    if not form.is_valid():
        raise Refused("Choose a role: owner or member.")
    role = MemberRole(form.cleaned_data["role"])
    try:
        seen = form.cleaned_data["seen"]
        members_services.change_member_role(membership=membership, role=role, actor=request.user, seen=seen)
    except ChangedMeanwhile as changed:
        messages.error(request, str(changed))
        return redirect("customers:member", customer.pk, membership.pk)
    word = "an owner" if role == MemberRole.OWNER else "a member"
    return done(request, customer, f"{membership.user} is now {word}.")


def _remove(request: SignedIn, customer: Customer, membership: Membership, *, own: bool) -> HttpResponse:
    end_membership(membership=membership, actor=request.user, revokes_links=bool(request.POST.get("revoke_links")))
    if not own:
        return done(request, customer, f"Removed {membership.user} from {customer}.")
    messages.success(request, f"You left {customer}.")
    return redirect("home")
