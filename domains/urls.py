from django.urls import path, re_path

from domains import views as domains_views
from domains.domain_list import views as domain_list_views
from domains.overrides import views as overrides_views
from domains.settings import views as settings_views
from domains.sharing import views as sharing_views

app_name = "domains"
urlpatterns = [
    path("", domain_list_views.list_, name="list"),
    path("add/", domain_list_views.add, name="add"),
    re_path(r"^domains\.(?P<kind>csv|json)$", domain_list_views.export, name="export"),
    path("codes/", domains_views.codes, name="codes"),
    path("shared/<str:token>/", sharing_views.shared, name="shared"),
    path("<str:domain_id>/", domains_views.detail, name="detail"),
    path("<str:domain_id>/diagnosis/", domains_views.diagnosis, name="diagnosis"),
    re_path(
        r"^(?P<domain_id>[^/]+)/diagnosis\.(?P<form>json|txt|log)$",
        domains_views.diagnosis_file,
        name="diagnosis_file",
    ),
    path("<str:domain_id>/check/", domains_views.check, name="check"),
    path("<str:domain_id>/history/", domains_views.history, name="history"),
    path("<str:domain_id>/dns-history/", domains_views.dns_history, name="dns_history"),
    re_path(
        r"^(?P<domain_id>[^/]+)/dns-history\.(?P<kind>csv|json)$",
        domains_views.dns_history_file,
        name="dns_history_file",
    ),
    path("<str:domain_id>/export/", domains_views.exports, name="exports"),
    path("<str:domain_id>/export/<slug:format_key>/", domains_views.export_file, name="export_file"),
    path("<str:domain_id>/print/", domains_views.print_, name="print"),
    path("<str:domain_id>/mail-records/", sharing_views.mail_records, name="mail_records"),
    path("<str:domain_id>/verified-notice/", domains_views.verified_notice, name="verified_notice"),
    path("<str:domain_id>/share/", sharing_views.share, name="share"),
    path("<str:domain_id>/share/<str:link_id>/revoke/", sharing_views.revoke, name="share_revoke"),
    path("<str:domain_id>/sending/", settings_views.sending, name="sending"),
    path("<str:domain_id>/settings/", settings_views.settings, name="settings"),
    path("<str:domain_id>/new-keys/", settings_views.new_keys, name="new_keys"),
    path("<str:domain_id>/start-again/", settings_views.start_again, name="start_again"),
    path("<str:domain_id>/support/", overrides_views.support, name="support"),
]
