from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from inbound_admin.api import api, nothing_here, to_description
from inbound_admin.health import healthz, readyz
from inbound_admin.metrics import metrics
from operations.urls import customer_urlpatterns

handler400, handler500 = "inbound_admin.api.bad_request", "inbound_admin.api.server_error"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="operations:overview"), name="home"),
    path("domains/", include("domains.urls")),
    path("inbound/", include("receipt_rules.urls")),
    path("customers/", include("accounts.urls")),
    path("customers/", include((customer_urlpatterns, "customers"))),
    path("tenants/", include("tenants.urls")),
    path("operations/", include("operations.urls")),
    path("alerts/", include("notifications.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("api/", to_description),
    path("api/", api.urls),
    re_path("^api/", nothing_here),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
if settings.SANDBOX:
    urlpatterns.append(path("sandbox/", include("sandbox.urls")))
