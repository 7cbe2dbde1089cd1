from django.urls import path

from receipt_rules import views as receipt_rules_views
from receipt_rules.addresses import views as addresses_views
from receipt_rules.endpoints import views as endpoints_views
from receipt_rules.live import views as live_views
from receipt_rules.probes import views as probes_views
from receipt_rules.runs import views as runs_views

app_name = "receipt_rules"
urlpatterns = [
    path("", live_views.home, name="home"),
    path("domains/<str:domain_id>/", addresses_views.inbound, name="domain"),
    path("domains/<str:domain_id>/send-only/", receipt_rules_views.send_only, name="send_only"),
    path("domains/<str:domain_id>/test-messages/", probes_views.choose, name="probe_schedule"),
    path("addresses/", addresses_views.list_, name="addresses"),
    path("addresses/add/", addresses_views.add_many, name="add_many"),
    path("addresses/<str:address_id>/", addresses_views.detail, name="address"),
    path("endpoints/", endpoints_views.list_, name="endpoints"),
    path("endpoints/add/", endpoints_views.add, name="add_endpoint"),
    path("endpoints/<str:endpoint_id>/", endpoints_views.detail, name="endpoint"),
    path("endpoints/<str:endpoint_id>/signing-secret/", endpoints_views.signing_secret, name="signing_secret"),
    path("forwarding/<str:token>/", endpoints_views.answer, name="forwarding"),
    path("test-messages/", probes_views.list_, name="probes"),
    path("test-messages/<str:probe_id>/", probes_views.detail, name="probe"),
    path("received/", receipt_rules_views.received, name="received"),
    path("received/<str:mail_id>/", receipt_rules_views.received_message, name="received_message"),
    path("rules/", live_views.list_, name="rules"),
    path("rules/<str:rule_name>/", live_views.detail, name="rule"),
    path("plan/", runs_views.plan, name="plan"),
    path("runs/", runs_views.list_, name="runs"),
    path("runs/<str:run_id>/", runs_views.detail, name="run"),
    path("runs/<str:run_id>/cancel/", runs_views.cancel, name="cancel"),
    path("runs/<str:run_id>/confirm/", runs_views.confirm, name="confirm"),
    path("states/", runs_views.states, name="states"),
    path("check/", receipt_rules_views.check, name="check"),
    path("check/bucket-policy/", receipt_rules_views.bucket_policy, name="bucket_policy"),
    path("check/function-permission/", receipt_rules_views.function_permission, name="function_permission"),
    path("pipeline/", receipt_rules_views.pipeline, name="pipeline"),
    path("simulator/", live_views.simulate, name="simulator"),
]
