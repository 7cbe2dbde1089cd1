from django.urls import path

from accounts import views as accounts_views

app_name = "accounts"
urlpatterns = [
    path("account/", accounts_views.account, name="account"),
    path("account/keys/", accounts_views.keys, name="keys"),
    path("account/keys/<str:key_id>/revoke/", accounts_views.revoke_key, name="revoke_key"),
    path("account/theme/", accounts_views.theme, name="theme"),
    path("invitation/<str:token>/", accounts_views.accept, name="accept"),
]
