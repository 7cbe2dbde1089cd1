from django.urls import path

from receipt_rules.views import (
    addresses,
    checks,
    domains,
    endpoints,
    forwarding,
    pipeline,
    plans,
    rules,
    runs,
    simulating,
)

app_name = "receipt_rules"
urlpatterns = [
    path("", rules.home, name="home"),
    path("domains/<str:domain_id>/", domains.detail, name="domain"),
    path("addresses/", addresses.list_, name="addresses"),
    path("addresses/add/", addresses.add_many, name="add_many"),
    path("addresses/<str:address_id>/", addresses.detail, name="address"),
    path("endpoints/", endpoints.list_, name="endpoints"),
    path("endpoints/add/", endpoints.add, name="add_endpoint"),
    path("endpoints/<str:endpoint_id>/", endpoints.detail, name="endpoint"),
    path("forwarding/<str:token>/", forwarding.answer, name="forwarding"),
    path("rules/", rules.list_, name="rules"),
    path("plan/", plans.detail, name="plan"),
    path("runs/", runs.list_, name="runs"),
    path("runs/<str:run_id>/", runs.detail, name="run"),
    path("runs/<str:run_id>/cancel/", runs.cancel, name="cancel"),
    path("states/", runs.states, name="states"),
    path("check/", checks.check, name="check"),
    path("check/bucket-policy/", checks.bucket_policy, name="bucket_policy"),
    path("check/function-permission/", checks.function_permission, name="function_permission"),
    path("pipeline/", pipeline.pipeline, name="pipeline"),
    path("simulator/", simulating.simulate, name="simulator"),
]
