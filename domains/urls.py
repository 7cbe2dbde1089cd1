from django.urls import path, re_path

from domains.views import listing, managing, records

app_name = "domains"
urlpatterns = [
    path("", listing.list_, name="list"),
    path("add/", listing.add, name="add"),
    re_path(r"^domains\.(?P<kind>csv|json)$", listing.export, name="export"),
    path("<str:domain_id>/", records.detail, name="detail"),
    path("<str:domain_id>/check/", records.check, name="check"),
    path("<str:domain_id>/history/", records.history, name="history"),
    path("<str:domain_id>/settings/", managing.settings, name="settings"),
    path("<str:domain_id>/new-keys/", managing.new_keys, name="new_keys"),
    path("<str:domain_id>/start-again/", managing.start_again, name="start_again"),
    path("<str:domain_id>/delete/", managing.delete, name="delete"),
    path("<str:domain_id>/support/", managing.support, name="support"),
]
