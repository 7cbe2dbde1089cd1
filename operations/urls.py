from django.urls import path, re_path

from operations.views import cases, changes, deleting, differences, finding, migrations, overview, pausing, pausing_many

app_name = "operations"
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("find/", finding.find, name="find"),
    path("domains/<str:domain_id>/", cases.case, name="case"),
    path("migrations/", migrations.list_, name="migrations"),
    path("migrations/plan/", migrations.plan_migration, name="plan_migration"),
    path("migrations/<str:migration_id>/", migrations.detail, name="migration"),
    path("migrations/<str:migration_id>/steer/", migrations.steer, name="steer_migration"),
    path("migrations/<str:migration_id>/customers/<str:item_id>/", migrations.item, name="migration_item"),
    path("customers/<str:customer_id>/migrate/", migrations.move, name="move"),
    path("domains/<str:domain_id>/delete/", deleting.domain, name="delete_domain"),
    path("differences/", differences.list_, name="differences"),
    path("differences/look/", differences.look, name="look"),
    path("differences/<str:difference_id>/", differences.detail, name="difference"),
    path("changes/", changes.changes, name="changes"),
    re_path(r"^changes\.(?P<kind>csv|json)$", changes.export_changes, name="export_changes"),
    path("tenants/<str:tenant_id>/pause/", pausing.pause, name="pause"),
    path("tenants/<str:tenant_id>/resume/", pausing.resume, name="resume"),
    path("pause/", pausing_many.choose, name="pause_many"),
    path("pause/<str:batch_id>/", pausing_many.batch, name="batch"),
    path("pause/<str:batch_id>/retry/", pausing_many.retry, name="retry_batch"),
]
