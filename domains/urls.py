from django.urls import path, re_path

from domains.views import diagnosis, dns_history, exports, listing, managing, records, sending, share, share_links

app_name = "domains"
urlpatterns = [
    path("", listing.list_, name="list"),
    path("add/", listing.add, name="add"),
    re_path(r"^domains\.(?P<kind>csv|json)$", listing.export, name="export"),
    path("codes/", diagnosis.codes, name="codes"),
    path("shared/<str:token>/", share.shared, name="shared"),
    path("<str:domain_id>/", records.detail, name="detail"),
    path("<str:domain_id>/diagnosis/", diagnosis.diagnosis, name="diagnosis"),
    re_path(
        r"^(?P<domain_id>[^/]+)/diagnosis\.(?P<form>json|txt|log)$", diagnosis.diagnosis_file, name="diagnosis_file"
    ),
    path("<str:domain_id>/check/", records.check, name="check"),
    path("<str:domain_id>/history/", records.history, name="history"),
    path("<str:domain_id>/dns-history/", dns_history.dns_history, name="dns_history"),
    re_path(
        r"^(?P<domain_id>[^/]+)/dns-history\.(?P<kind>csv|json)$", dns_history.dns_history_file, name="dns_history_file"
    ),
    path("<str:domain_id>/export/", exports.exports, name="exports"),
    path("<str:domain_id>/export/<slug:format_key>/", exports.export_file, name="export_file"),
    path("<str:domain_id>/print/", exports.print_, name="print"),
    path("<str:domain_id>/share/", share_links.share, name="share"),
    path("<str:domain_id>/share/<str:link_id>/revoke/", share_links.revoke, name="share_revoke"),
    path("<str:domain_id>/sending/", sending.sending, name="sending"),
    path("<str:domain_id>/settings/", managing.settings, name="settings"),
    path("<str:domain_id>/new-keys/", managing.new_keys, name="new_keys"),
    path("<str:domain_id>/start-again/", managing.start_again, name="start_again"),
    path("<str:domain_id>/support/", managing.support, name="support"),
]
