"""Pages of customers: the list, a new one, and each with its people and its history."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from changes.selectors import changes_of
from inbound_admin.lib.http import SignedIn, asks_for_password, page_of
from tenants import selectors
from tenants.forms import CustomerForm, NewCustomerForm
from tenants.models import MemberRole
from tenants.services import create_customer, rename_customer
from tenants.services.customers import NotAllowed, require_manager
from tenants.views.parts import customer_of, frame, people_page, send_invitation, template


@require_GET
def list_(request: SignedIn) -> HttpResponse:
    """Staff find every customer; a person of one customer is taken to it."""
    staff = selectors.supports_everyone(request.user)
    text = request.GET.get("q", "").replace("\x00", "").strip()[:300]
    found = selectors.customers_found(viewer=request.user, text=text)
    if not staff and not text and len(own := found[:2]) == 1:
        return redirect("tenants:detail", own[0].pk)
    may_create = request.user.has_perm("tenants.add_customer")
    context = {"page": page_of(found, request), "q": text, "may_create": may_create}
    return TemplateResponse(request, template(request, "tenants/list.html", "results"), context)


@never_cache
@require_http_methods(["GET", "POST"])
@asks_for_password
def create(request: SignedIn) -> HttpResponse:
    if not request.user.has_perm("tenants.add_customer"):
        raise NotAllowed("Your role cannot create customers.")
    form = NewCustomerForm(request.POST or None, viewer=request.user)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        customer = create_customer(name=given["name"], owner=None, actor=request.user, customer_id=given["customer_id"])
        if given["owner"]:
            return send_invitation(request, customer, given["owner"], MemberRole.OWNER)
        return redirect("tenants:detail", customer.pk)
    return TemplateResponse(request, "tenants/create.html", {"form": form}, status=422 if form.errors else 200)


@require_GET
def detail(request: SignedIn, customer_id: str) -> HttpResponse:
    return people_page(request, customer_of(request, customer_id))


@require_GET
def history(request: SignedIn, customer_id: str) -> HttpResponse:
    customer = customer_of(request, customer_id)
    theirs = None if selectors.supports_everyone(request.user) else (customer.id,)
    changes = page_of(changes_of("customer", customer.id, of_customers=theirs), request)
    return TemplateResponse(request, "tenants/history.html", frame(request, customer, "history", changes=changes))


@require_http_methods(["GET", "POST"])
def rename(request: SignedIn, customer_id: str) -> HttpResponse:
    customer = customer_of(request, customer_id)
    require_manager(customer, request.user)
    form = CustomerForm(request.POST or None, initial={"name": customer.name})
    if request.method == "POST" and form.is_valid():
        rename_customer(customer=customer, name=form.cleaned_data["name"], actor=request.user)
        messages.success(request, f"The name is now {customer.name}.")
        return redirect("tenants:detail", customer.pk)
    context = frame(request, customer, "rename", form=form)
    return TemplateResponse(request, "tenants/rename.html", context, status=422 if form.errors else 200)
