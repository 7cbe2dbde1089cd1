from django.urls import path

from accounts.api_keys import views as api_keys_views
from accounts.members import views as members_views
from accounts.people import views as people_views

app_name = "accounts"
urlpatterns = [
    path("account/", people_views.account, name="account"),
    path("account/keys/", api_keys_views.keys, name="keys"),
    path("account/keys/<str:key_id>/revoke/", api_keys_views.revoke_key, name="revoke_key"),
    path("account/theme/", people_views.theme, name="theme"),
    path("invitation/<str:token>/", members_views.accept, name="accept"),
]
