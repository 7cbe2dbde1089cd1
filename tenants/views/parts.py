"""What the pages of one customer share: whose it is, the frame around the tabs, and the part with its people."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from inbound_admin.lib.http import SignedIn, page_of
from tenants import selectors
from tenants.core import tenant_words
from tenants.forms import InviteForm
from tenants.models import Customer, MemberRole
from tenants.services import invitations
from tenants.services.invitations import Invited

PENDING_SHOWN = 100


def customer_of(request: SignedIn, customer_id: str) -> Customer:
    return get_object_or_404(selectors.customers_for(request.user), pk=customer_id)


def frame(request: SignedIn, customer: Customer, tab: str, **more: Any) -> dict[str, Any]:
    manages = selectors.may_manage(request.user, customer)
    return {"customer": customer, "manages": manages, "tab": tab, **more}


def template(request: SignedIn, page: str, part: str) -> str:
    return f"{page}#{part}" if request.htmx and not request.htmx.boosted else page


def people_page(
    request: SignedIn,
    customer: Customer,
    *,
    form: InviteForm | None = None,
    said: str = "",
    good: bool = True,
) -> HttpResponse:
    """A `form` given has errors."""
    context = frame(request, customer, "people", said=said, good=good, form=form or _invite_form(customer))
    context["page"] = page_of(selectors.members_of(customer), request)
    if tenant := selectors.tenant_of(customer):
        context |= {"tenant": tenant, "sentence": tenant_words.for_customer(tenant.stage, tenant.standing)}
    if context["manages"]:
        context["invitations"] = selectors.pending_invitations(customer)[:PENDING_SHOWN]
    name = template(request, "tenants/detail.html", "people")
    return TemplateResponse(request, name, context, status=422 if form else 200)


def _invite_form(customer: Customer) -> InviteForm:
    """The first whom a customer needs is an owner."""
    owned = selectors.owners_of(customer).exists()
    return InviteForm(initial={"role": MemberRole.MEMBER if owned else MemberRole.OWNER})


def done(request: SignedIn, customer: Customer, said: str, *, good: bool = True) -> HttpResponse:
    if request.htmx:
        return people_page(request, customer, said=said, good=good)
    messages.add_message(request, messages.SUCCESS if good else messages.WARNING, said)
    return redirect("tenants:detail", customer.pk)


def send_invitation(request: SignedIn, customer: Customer, email: str, role: MemberRole) -> HttpResponse:
    """The link is in the mail alone: whoever else had it could make an account for any address."""
    site = request.build_absolute_uri("/")
    invited = invitations.invite(customer=customer, email=email, role=role, actor=request.user, site_url=site)
    return done(request, customer, _said(invited), good=invited.mailed)


def _said(invited: Invited) -> str:
    email = invited.invitation.email
    if invited.mailed:
        return f"{email} was sent an invitation, good until {invited.invitation.expires_at:%-d %B %Y}."
    return f"The invitation of {email} stands, but its e-mail could not be sent. Send it again a little later."
