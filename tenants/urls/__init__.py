from django.urls import path

from tenants.views import accepting, accounts, api_keys, customers, members

app_name = "tenants"
urlpatterns = [
    path("", customers.list_, name="list"),
    path("new/", customers.create, name="create"),
    path("account/", accounts.account, name="account"),
    path("account/keys/", api_keys.keys, name="keys"),
    path("account/keys/<str:key_id>/revoke/", api_keys.revoke_key, name="revoke_key"),
    path("account/theme/", accounts.theme, name="theme"),
    path("invitation/<str:token>/", accepting.accept, name="accept"),
    path("<str:customer_id>/", customers.detail, name="detail"),
    path("<str:customer_id>/history/", customers.history, name="history"),
    path("<str:customer_id>/rename/", customers.rename, name="rename"),
    path("<str:customer_id>/invite/", members.invite, name="invite"),
    path("<str:customer_id>/members/<int:membership_id>/", members.member, name="member"),
    path("<str:customer_id>/invitations/<int:invitation_id>/", members.invitation, name="invitation"),
]
