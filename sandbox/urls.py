from django.urls import path

from sandbox import mail_views, tour_views, views

app_name = "sandbox"
urlpatterns = [
    path("", views.zones, name="zones"),
    path("amazon/", views.faults, name="faults"),
    path("mail/", mail_views.mail, name="mail"),
    path("progress/", tour_views.progress, name="progress"),
    path("tenants/", views.tenants, name="tenants"),
    path("what-to-try/", tour_views.what_to_try, name="what_to_try"),
    path("zones/<str:zone>/", views.zone, name="zone"),
]
