from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "tenants"
    verbose_name = "Customers"

    def ready(self) -> None:
        from allauth.mfa.signals import authenticator_added, authenticator_removed
        from django.contrib.auth.signals import user_logged_in

        from tenants.services import sign_ins

        user_logged_in.connect(sign_ins.note_sign_in, dispatch_uid="note_sign_in")
        for changed in (authenticator_added, authenticator_removed):
            changed.connect(sign_ins.end_other_sessions, dispatch_uid="end_other_sessions")
