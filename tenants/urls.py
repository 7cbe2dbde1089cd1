"""URLs of the tenants app: pages of staff, and the endpoint that SNS posts to."""

from django.urls import path, re_path

from tenants import views as tenants_views
from tenants.lifecycle import views as lifecycle_views

app_name = "tenants"
urlpatterns = [
    path("", lifecycle_views.list_, name="list"),
    path("new/", lifecycle_views.create, name="create"),
    re_path(r"^tenants\.(?P<kind>csv|json)$", lifecycle_views.export, name="export"),
    path("ses/events/", tenants_views.receive, name="events"),
    path("account/reputation/", tenants_views.account, name="account"),
    path("<str:tenant_id>/", lifecycle_views.detail, name="detail"),
    path("<str:tenant_id>/reputation/", tenants_views.reputation, name="reputation"),
    path("<str:tenant_id>/ask-again/", tenants_views.ask_again, name="ask_again"),
    path("<str:tenant_id>/resources/", lifecycle_views.resources, name="resources"),
    path("<str:tenant_id>/history/", lifecycle_views.history, name="history"),
    path("<str:tenant_id>/policy/", lifecycle_views.policy, name="policy"),
    path("<str:tenant_id>/try-now/", lifecycle_views.try_now, name="try_now"),
    path("<str:tenant_id>/keep/", lifecycle_views.keep, name="keep"),
    path("<str:tenant_id>/delete/", lifecycle_views.delete, name="delete"),
]
