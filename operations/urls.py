from django.urls import path, re_path

from operations import views as operations_views
from operations.customers import views as customers_views
from operations.domain_actions import views as domain_actions_views
from operations.drift import views as drift_views
from operations.legacy_import import views as legacy_import_views
from operations.pause import views as pause_views
from operations.tenant_migration import views as tenant_migration_views

app_name = "operations"
urlpatterns = [
    path("", operations_views.overview, name="overview"),
    path("find/", operations_views.find, name="find"),
    path("domains/<str:domain_id>/", operations_views.case, name="case"),
    path("migrations/", tenant_migration_views.list_, name="migrations"),
    path("migrations/plan/", tenant_migration_views.plan_migration, name="plan_migration"),
    path("migrations/<str:migration_id>/", tenant_migration_views.detail, name="migration"),
    path("migrations/<str:migration_id>/steer/", tenant_migration_views.steer, name="steer_migration"),
    path("migrations/<str:migration_id>/customers/<str:item_id>/", tenant_migration_views.item, name="migration_item"),
    path("customers/<str:customer_id>/migrate/", tenant_migration_views.move, name="move"),
    path("domains/<str:domain_id>/delete/", operations_views.delete_domain, name="delete_domain"),
    path("differences/", drift_views.list_, name="differences"),
    path("differences/look/", drift_views.look, name="look"),
    path("differences/decide/", drift_views.decide_many, name="decide_many"),
    path("differences/<str:difference_id>/", drift_views.detail, name="difference"),
    path("moving-in/", legacy_import_views.legacy_import, name="legacy_import"),
    path("moving-in/identities/", legacy_import_views.adopt_identities, name="adopt_identities"),
    path("moving-in/<str:legacy_import_id>/", legacy_import_views.legacy_import_rows, name="legacy_import_rows"),
    path(
        "moving-in/<str:legacy_import_id>/outcomes.csv",
        legacy_import_views.legacy_import_outcomes,
        name="legacy_import_outcomes",
    ),
    path(
        "moving-in/<str:legacy_import_id>/steer/", legacy_import_views.steer_legacy_import, name="steer_legacy_import"
    ),
    path("changes/", operations_views.changes, name="changes"),
    re_path(r"^changes\.(?P<kind>csv|json)$", operations_views.export_changes, name="export_changes"),
    path("tenants/<str:tenant_id>/pause/", pause_views.pause, name="pause"),
    path("tenants/<str:tenant_id>/resume/", pause_views.resume, name="resume"),
    path("bulk/", domain_actions_views.start_bulk, name="start_bulk"),
    path("bulk/<str:bulk_id>/", operations_views.bulk, name="bulk"),
    path("bulk/<str:bulk_id>/stop/", operations_views.stop_bulk, name="stop_bulk"),
    path("bulk/<str:bulk_id>/pause/", operations_views.pause_bulk, name="pause_bulk"),
    path("bulk/<str:bulk_id>/resume/", operations_views.resume_bulk, name="resume_bulk"),
    path("bulk/<str:bulk_id>/retry/", operations_views.retry_bulk, name="retry_bulk"),
    path("pause/", pause_views.choose, name="pause_many"),
    path("pause/<str:bulk_id>/", operations_views.bulk, name="batch"),
]

customer_urlpatterns = [
    path("", customers_views.list_, name="list"),
    path("new/", customers_views.create, name="create"),
    path("choices/", customers_views.choices, name="choices"),
    path("<str:customer_id>/", customers_views.detail, name="detail"),
    path("<str:customer_id>/history/", customers_views.history, name="history"),
    path("<str:customer_id>/rename/", customers_views.rename, name="rename"),
    path("<str:customer_id>/invite/", customers_views.invite, name="invite"),
    path("<str:customer_id>/members/<int:membership_id>/", customers_views.member, name="member"),
    path("<str:customer_id>/invitations/<int:invitation_id>/", customers_views.invitation, name="invitation"),
]
