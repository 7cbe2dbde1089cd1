from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate, pre_save


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Customers and people"

    def ready(self) -> None:
        from allauth.account.models import EmailAddress
        from allauth.mfa.signals import authenticator_added, authenticator_removed

        from accounts.people.services import end_other_sessions, record_sign_in, refuse_unproven_sign_in_address
        from accounts.roles import apply_roles

        post_migrate.connect(apply_roles, dispatch_uid="accounts.roles")
        user_logged_in.connect(record_sign_in, dispatch_uid="accounts.record_sign_in")
        pre_save.connect(refuse_unproven_sign_in_address, sender=EmailAddress, dispatch_uid="accounts.sign_in_address")
        for changed in (authenticator_added, authenticator_removed):
            changed.connect(end_other_sessions, dispatch_uid="accounts.end_other_sessions")
