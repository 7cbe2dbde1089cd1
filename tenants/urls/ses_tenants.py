"""Pages of SES tenants, for staff; `tenants.urls` has those of customers."""

from django.urls import path, re_path

from tenants.views import events, reputation, reviewing, ses_tenants

app_name = "ses_tenants"
urlpatterns = [
    path("", ses_tenants.list_, name="list"),
    path("new/", ses_tenants.create, name="create"),
    re_path(r"^tenants\.(?P<kind>csv|json)$", ses_tenants.export, name="export"),
    path("ses/events/", events.receive, name="events"),
    path("account/reputation/", reputation.account, name="account"),
    path("<str:tenant_id>/", ses_tenants.detail, name="detail"),
    path("<str:tenant_id>/reputation/", reputation.reputation, name="reputation"),
    path("<str:tenant_id>/ask-again/", reputation.ask_again, name="ask_again"),
    path("<str:tenant_id>/resources/", ses_tenants.resources, name="resources"),
    path("<str:tenant_id>/history/", ses_tenants.history, name="history"),
    path("<str:tenant_id>/policy/", ses_tenants.policy, name="policy"),
    path("<str:tenant_id>/keep/", reviewing.keep, name="keep"),
    path("<str:tenant_id>/delete/", ses_tenants.delete, name="delete"),
]
