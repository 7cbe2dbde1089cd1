from django.urls import path

from notifications.alerts import views as alerts_views
from notifications.webhooks import views as webhooks_views

app_name = "notifications"
urlpatterns = [
    path("", alerts_views.inbox, name="inbox"),
    path("preferences/", alerts_views.preferences, name="preferences"),
    path("webhooks/", webhooks_views.list_, name="webhooks"),
    path("webhooks/new/", webhooks_views.add, name="add_webhook"),
    path("webhooks/<str:target_id>/", webhooks_views.detail, name="webhook"),
    path("webhooks/<str:target_id>/secret/", webhooks_views.new_secret, name="new_secret"),
    path("webhooks/<str:target_id>/test/", webhooks_views.test, name="test_webhook"),
    path("webhooks/<str:target_id>/remove/", webhooks_views.remove, name="remove_webhook"),
    path("deliveries/<str:delivery_id>/", webhooks_views.delivery, name="delivery"),
    path("<str:alert_id>/", alerts_views.alert, name="alert"),
]
