from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "tenants"
    verbose_name = "SES tenants"

    def ready(self) -> None:
        from allauth.mfa.signals import authenticator_added, authenticator_removed
        from django.contrib.auth.signals import user_logged_in

        from accounts.people import services as people_services

        user_logged_in.connect(people_services.record_sign_in, dispatch_uid="note_sign_in")
        for changed in (authenticator_added, authenticator_removed):
            changed.connect(people_services.end_other_sessions, dispatch_uid="end_other_sessions")
