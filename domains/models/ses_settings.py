"""The settings of an identity: the desired ones, and those that SES confirmed."""

from django.db import models


class SesSettings(models.Model):
    """Columns of a domain. `ses_…` is what SES has by its last answer."""

    class OnMxFailure(models.TextChoices):
        """SES's BehaviorOnMXFailure: what SES does with outgoing mail while the MAIL FROM MX is missing."""

        USE_DEFAULT = "UseDefaultValue", "Use the default MAIL FROM domain"
        REJECT = "RejectMessage", "Reject the message"

    name: models.CharField[str, str]

    mail_from_label = models.CharField(max_length=252, blank=True)  # an adopted domain's may have several labels
    on_mx_failure = models.CharField(max_length=20, choices=OnMxFailure.choices, default=OnMxFailure.USE_DEFAULT)
    dkim_signing = models.BooleanField(default=True)
    new_dkim_wanted = models.BooleanField(default=False, help_text="DKIM key rotation requested.")
    ses_mail_from = models.CharField(max_length=253, blank=True)
    ses_on_mx_failure = models.CharField(max_length=20, choices=OnMxFailure.choices, default=OnMxFailure.USE_DEFAULT)
    ses_dkim_signing = models.BooleanField(default=True)
    settings_unanswered = models.BooleanField(
        default=False, db_default=False, help_text="A change was sent to SES and not confirmed: SES may have it."
    )

    class Meta:
        abstract = True

    @property
    def mail_from(self) -> str:
        return f"{self.mail_from_label}.{self.name}" if self.mail_from_label else ""

    @property
    def rejects_on_mx_failure(self) -> bool:
        return self.on_mx_failure == self.OnMxFailure.REJECT

    @property
    def has_unsent_settings(self) -> bool:
        wanted = (self.mail_from, self.on_mx_failure, self.dkim_signing)
        sent = (self.ses_mail_from, self.ses_on_mx_failure, self.ses_dkim_signing)
        return wanted != sent or self.settings_unanswered
