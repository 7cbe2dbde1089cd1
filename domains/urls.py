from django.urls import path

from domains import views

app_name = "domains"
urlpatterns = [
    path("", views.list_, name="list"),
    path("add/", views.add, name="add"),
    path("<str:domain_id>/", views.detail, name="detail"),
    path("<str:domain_id>/check/", views.check, name="check"),
    path("<str:domain_id>/history/", views.history, name="history"),
]
