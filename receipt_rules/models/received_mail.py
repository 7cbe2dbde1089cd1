"""The outcome of each received message, as reported by the function that delivers it; no content."""

from django.db import models
from django.db.models.functions import Coalesce

from inbound_admin.lib.ids import new_id
from inbound_admin.lib.lockable import Lockable
from receipt_rules.models.endpoints import Endpoint


def new_received_mail_id() -> str:
    return new_id("rcv")


class DeliveryOutcome(models.TextChoices):
    """What the function did with a message. HELD: it stays in the bucket and isn't retried, as with a virus."""

    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"
    WAITING = "waiting", "Waiting for confirmation"
    HELD = "held", "Held"
    UNROUTED = "unrouted", "Stored only"


class ReceivedMail(Lockable):
    """A message for one recipient, as last reported. `customer` is the owner when it arrived, and never changes.

    Null: nobody held the name, or staff must decide.
    """

    id = models.CharField(primary_key=True, max_length=40, default=new_received_mail_id, editable=False)
    message_id = models.CharField(max_length=200, help_text="Message ID at SES, and object name in the bucket.")
    recipient = models.CharField(max_length=320, help_text="Lower case.")
    customer = models.ForeignKey("accounts.Customer", null=True, on_delete=models.CASCADE, related_name="+")
    domain = models.ForeignKey("domains.Domain", null=True, on_delete=models.SET_NULL, related_name="+")
    endpoint = models.ForeignKey(Endpoint, null=True, on_delete=models.SET_NULL, related_name="+")
    received_at = models.DateTimeField()
    outcome = models.CharField(max_length=10, choices=DeliveryOutcome.choices)
    problem = models.TextField(blank=True, help_text="Why it isn't delivered, as shown to people.")
    size = models.PositiveBigIntegerField(null=True, help_text="Bytes; null: the message was not read.")
    tries = models.PositiveIntegerField(default=0)
    is_undecided = models.BooleanField(
        default=False, db_default=False, help_text="The name changed hands at that moment: staff choose the customer."
    )
    reported_at = models.DateTimeField(help_text="When the function reported this outcome.")

    class Meta:
        ordering = ("-received_at", "-id")
        verbose_name = "received message"
        indexes = (
            models.Index(fields=("-received_at", "-id"), name="received_latest"),
            models.Index(fields=("customer", "-received_at", "-id"), name="received_of_customer"),
            models.Index(fields=("endpoint", "-received_at", "-id"), name="received_of_endpoint"),
            models.Index(fields=("domain", "-received_at", "-id"), name="received_of_domain"),
            models.Index(fields=("recipient", "-received_at"), name="received_of_recipient"),
            models.Index(fields=("outcome", "-received_at", "-id"), name="received_with_outcome"),
            models.Index(fields=("customer", "outcome", "-received_at", "-id"), name="received_own_outcome"),
        )
        constraints = (
            models.UniqueConstraint(
                "message_id", "recipient", Coalesce("customer_id", models.Value("")), name="received_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.message_id} for {self.recipient}"
