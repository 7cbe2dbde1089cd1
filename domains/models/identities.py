"""The SES identity of a domain: its desired settings, and what SES has."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from domains.checking.core.judgement import Aspect, SesStatus
from domains.identity.core import GONE, replica_of

SES_STATUSES = [(status.value, status.value) for status in SesStatus]


class SesIdentity(models.Model):
    """Columns of a domain."""

    class OnMxFailure(models.TextChoices):
        """SES's BehaviorOnMXFailure: what SES does with outgoing mail while the MAIL FROM MX is missing."""

        USE_DEFAULT = "UseDefaultValue", "Use the default MAIL FROM domain"
        REJECT = "RejectMessage", "Reject the message"

    name: models.CharField[str, str]

    mail_from_label = models.CharField(max_length=252, blank=True)  # an adopted domain's may have several labels
    on_mx_failure = models.CharField(max_length=20, choices=OnMxFailure.choices, default=OnMxFailure.USE_DEFAULT)
    dkim_signing = models.BooleanField(default=True)
    new_dkim_wanted = models.BooleanField(default=False, help_text="DKIM key rotation requested.")

    # what SES has, by its last answer
    ses_mail_from = models.CharField(max_length=253, blank=True)
    ses_on_mx_failure = models.CharField(max_length=20, choices=OnMxFailure.choices, default=OnMxFailure.USE_DEFAULT)
    ses_dkim_signing = models.BooleanField(default=True)
    settings_unanswered = models.BooleanField(
        default=False, db_default=False, help_text="A change was sent to SES and not confirmed: SES may have it."
    )
    verification_token = models.CharField(max_length=100, blank=True)
    dkim_tokens = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    dkim_zone = models.CharField(max_length=100, blank=True)
    dkim_origin = models.CharField(max_length=40, blank=True, help_text="SES's SigningAttributesOrigin.")
    own_dkim_key = models.BooleanField(default=False, help_text="BYODKIM: the key is the customer's, not Amazon's.")
    former_dkim_key = models.BooleanField(
        default=False, db_default=False, help_text="That key was in SES before this customer held the domain."
    )
    identity_status = models.CharField(max_length=20, blank=True, choices=SES_STATUSES)
    dkim_status = models.CharField(max_length=20, blank=True, choices=SES_STATUSES)
    mail_from_status = models.CharField(max_length=20, blank=True, choices=SES_STATUSES)
    ses_error_type = models.CharField(max_length=60, blank=True)
    ses_looked_at = models.DateTimeField(null=True, blank=True, help_text="When SES last checked the DNS.")
    ses_soa = models.CharField(max_length=280, blank=True, help_text="Primary nameserver and SOA serial seen by SES.")
    last_ses_check = models.DateTimeField(null=True, blank=True)
    ses_problem = models.TextField(blank=True, help_text="Why SES couldn't be reached. Empty if it answered.")

    class Meta:
        abstract = True

    @property
    def mail_from(self) -> str:
        return f"{self.mail_from_label}.{self.name}" if self.mail_from_label else ""

    @property
    def rejects_on_mx_failure(self) -> bool:
        return self.on_mx_failure == self.OnMxFailure.REJECT

    @property
    def mail_from_to_send(self) -> str:
        """Return the MAIL FROM domain without which SES rejects all mail; "" if it would use its own."""
        return self.ses_mail_from if self.ses_on_mx_failure == self.OnMxFailure.REJECT else ""

    @property
    def mail_from_is_verified(self) -> bool | None:
        """Return whether SES has verified the MAIL FROM domain; None if unknown, or if SES has another."""
        is_known = self.mail_from_status not in (SesStatus.UNKNOWN, SesStatus.NOT_STARTED)
        return self.mail_from_status == SesStatus.SUCCESS if is_known else None

    @property
    def rejecting_mail_from(self) -> str:
        """Return the MAIL FROM domain because of which SES rejects all mail now, else ""."""
        return self.mail_from_to_send if self.mail_from_is_verified is False else ""

    @property
    def lost_own_key(self) -> str:
        """Return the name of the record of the customer's own DKIM key if SES can't find it, else ""."""
        is_lost = self.dkim_status in (SesStatus.FAILED, SesStatus.TEMPORARY_FAILURE)
        selector = next(iter(self.dkim_tokens), "…")
        return f"{selector}._domainkey.{self.name}" if self.own_dkim_key and is_lost else ""

    @property
    def has_unsent_settings(self) -> bool:
        wanted = (self.mail_from, self.on_mx_failure, self.dkim_signing)
        sent = (self.ses_mail_from, self.ses_on_mx_failure, self.ses_dkim_signing)
        return wanted != sent or self.settings_unanswered

    @property
    def ses_statuses(self) -> dict[Aspect, SesStatus]:
        return {
            Aspect.IDENTITY: SesStatus(self.identity_status),
            Aspect.DKIM: SesStatus(self.dkim_status),
            Aspect.MAIL_FROM: SesStatus(self.mail_from_status),
        }

    @property
    def replica_of(self) -> str:
        """Return a predicate if it uses the keys of its identity in another region, else ""."""
        return replica_of(self.dkim_origin)

    @property
    def is_gone(self) -> bool:
        return self.ses_problem == GONE
