"""The sandbox's page *Mail*: what came in by SMTP, what the function did, and what the webhook sink got."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import SignedIn, template
from sandbox import mail_panel


@require_http_methods(["GET", "POST"])
def mail(request: SignedIn) -> HttpResponse:
    """Everyone can use the buttons. The data shown is the viewer's own."""
    if request.method == "POST":
        act = mail_panel.ACTIONS.get(request.POST.get("do", ""))
        if act is None:
            raise Refused("Unknown action.")
        messages.success(request, act())
        return redirect("sandbox:mail")
    context = {"page": mail_panel.mail_page(request.user), "part": "mail"}
    return TemplateResponse(request, template(request, "sandbox/mail.html", "mail"), context)
