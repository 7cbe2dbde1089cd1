from django.urls import path

from receipt_rules.addresses import views as addresses_views
from receipt_rules.endpoints import views as endpoints_views
from receipt_rules.forwarding import views as forwarding_views
from receipt_rules.live import views as live_views
from receipt_rules.pipeline import views as pipeline_views
from receipt_rules.planner import views as planner_views
from receipt_rules.probes import views as probes_views
from receipt_rules.received_mail import views as received_mail_views
from receipt_rules.receiving import views as receiving_views
from receipt_rules.receiving_setup import views as receiving_setup_views
from receipt_rules.runs import views as runs_views
from receipt_rules.simulator import views as simulator_views

app_name = "receipt_rules"
urlpatterns = [
    path("", live_views.home, name="home"),
    path("domains/<str:domain_id>/", addresses_views.inbound, name="domain"),
    path("domains/<str:domain_id>/send-only/", receiving_views.send_only, name="send_only"),
    path("domains/<str:domain_id>/test-messages/", probes_views.choose, name="probe_schedule"),
    path("addresses/", addresses_views.list_, name="addresses"),
    path("addresses/add/", addresses_views.add_many, name="add_many"),
    path("addresses/<str:address_id>/", addresses_views.detail, name="address"),
    path("endpoints/", endpoints_views.list_, name="endpoints"),
    path("endpoints/add/", endpoints_views.add, name="add_endpoint"),
    path("endpoints/<str:endpoint_id>/", endpoints_views.detail, name="endpoint"),
    path("endpoints/<str:endpoint_id>/signing-secret/", endpoints_views.signing_secret, name="signing_secret"),
    path("forwarding/<str:token>/", forwarding_views.answer, name="forwarding"),
    path("test-messages/", probes_views.list_, name="probes"),
    path("test-messages/<str:probe_id>/", probes_views.detail, name="probe"),
    path("received/", received_mail_views.list_, name="received"),
    path("received/<str:mail_id>/", received_mail_views.detail, name="received_message"),
    path("rules/", live_views.list_, name="rules"),
    path("rules/<str:rule_name>/", live_views.detail, name="rule"),
    path("plan/", planner_views.detail, name="plan"),
    path("runs/", runs_views.list_, name="runs"),
    path("runs/<str:run_id>/", runs_views.detail, name="run"),
    path("runs/<str:run_id>/cancel/", runs_views.cancel, name="cancel"),
    path("runs/<str:run_id>/confirm/", runs_views.confirm, name="confirm"),
    path("states/", runs_views.states, name="states"),
    path("check/", receiving_setup_views.check, name="check"),
    path("check/bucket-policy/", receiving_setup_views.bucket_policy, name="bucket_policy"),
    path("check/function-permission/", receiving_setup_views.function_permission, name="function_permission"),
    path("pipeline/", pipeline_views.pipeline, name="pipeline"),
    path("simulator/", simulator_views.simulate, name="simulator"),
]
