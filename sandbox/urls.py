from django.urls import path

from sandbox import views

app_name = "sandbox"
urlpatterns = [
    path("", views.zones, name="zones"),
    path("amazon/", views.faults, name="faults"),
    path("tenants/", views.tenants, name="tenants"),
    path("zones/<str:zone>/", views.zone, name="zone"),
]
