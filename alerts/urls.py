from django.urls import path

from alerts.views import inbox, preferences, webhooks

app_name = "alerts"
urlpatterns = [
    path("", inbox.inbox, name="inbox"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("webhooks/", webhooks.list_, name="webhooks"),
    path("webhooks/new/", webhooks.add, name="add_webhook"),
    path("webhooks/<str:target_id>/", webhooks.detail, name="webhook"),
    path("webhooks/<str:target_id>/secret/", webhooks.new_secret, name="new_secret"),
    path("webhooks/<str:target_id>/test/", webhooks.test, name="test_webhook"),
    path("webhooks/<str:target_id>/remove/", webhooks.remove, name="remove_webhook"),
    path("deliveries/<str:delivery_id>/", webhooks.delivery, name="delivery"),
    path("<str:alert_id>/", inbox.alert, name="alert"),
]
