"""Addresses and catch-alls: which mail a customer wants to receive, and where it is delivered; and who had a name."""

from dataclasses import replace
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Lower

from domains.receiving.core import DELIVERED, Receiving, ReceivingFacts, ReceivingState, RulesFact, judge
from inbound_admin.lib.ids import new_id
from receipt_rules.mail_path.core import End
from receipt_rules.models.endpoints import Endpoint


def new_address_id() -> str:
    return new_id("addr")


def new_catch_all_id() -> str:
    return new_id("all")


PARTLY_SERVED = (
    *DELIVERED,
    RulesFact.PARTLY,
    RulesFact.HELD,
    RulesFact.DROPPED,
)  # of the name: its rules are active, so a new recipient is applied soon
HOLDABLE = (ReceivingState.REJECTED, ReceivingState.BLOCKED)


class RequestedRecipient(models.Model):
    """The fields that addresses and catch-alls share. `domain` is the customer's domain that entitles them to it."""

    domain = models.ForeignKey("domains.Domain", on_delete=models.PROTECT, related_name="+")
    endpoint = models.ForeignKey(Endpoint, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    is_active = models.BooleanField(default=True)
    rules = models.CharField(
        max_length=10,
        choices=[(fact.value, fact.value) for fact in RulesFact if fact not in (RulesFact.NOTHING, RulesFact.CAUGHT)],
        default=RulesFact.WAITING,
        help_text="What the active rules did with its mail when last read.",
    )
    refused_because = models.TextField(
        blank=True, help_text="Why SES refuses it; plans skip it until its owner retries."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    kind: ClassVar[str]  # in the change log
    logged_as: ClassVar[str]  # the name of its recipient there
    end: End | None = None  # set by `mail_path.selectors.set_ends`
    is_changing: bool = False  # set there as well: a step of a run is changing its rule

    class Meta:
        abstract = True

    @property
    def own_endpoint(self) -> Endpoint | None:
        """Return the endpoint, or None if the domain has moved to another customer and the endpoint hasn't."""
        endpoint = self.endpoint
        return endpoint if endpoint is not None and endpoint.customer_id == self.domain.customer_id else None

    @property
    def is_served(self) -> bool:
        """Return whether the active rules deliver its mail to its destination, whatever its MX record."""
        return self.rules in DELIVERED

    @property
    def recipient(self) -> str:
        """Return the recipient as a receipt rule names it."""
        raise NotImplementedError

    @property
    def logged(self) -> dict[str, Any]:
        """Return its values for the change log."""
        endpoint, refused = self.endpoint, self.refused_because
        shown = {"is_active": self.is_active, "endpoint": "" if endpoint is None else endpoint.name}
        return {self.logged_as: self.recipient, **shown} | ({"refused_because": refused} if refused else {})

    @property
    def mail_name(self) -> str:
        """Return the name whose MX decides whether its mail arrives; "*.example.com" for all subdomains."""
        raise NotImplementedError

    @property
    def description(self) -> str:
        """Return how a sentence names the recipient."""
        return str(self)

    @property
    def receiving_facts(self) -> ReceivingFacts:
        """Return the facts of its name, with what the rules do for this recipient."""
        whole = self.domain.receiving_facts(self.mail_name)
        rules = RulesFact.WAITING if self.is_changing else RulesFact(self.rules)
        return replace(whole, rules=rules, recipient=self.description)

    @property
    def receiving(self) -> Receiving:
        """Return whether its mail arrives, evaluated from its facts."""
        facts = self.domain.receiving_facts(self.mail_name)
        if not self.is_active:
            return self._off
        if self.is_changing:
            sentence = f"The receipt rule of this {self._meta.verbose_name} is changing now. SES may reject its mail."
            return Receiving(self.mail_name, ReceivingState.APPLYING, sentence)
        own = judge(replace(facts, rules=RulesFact(self.rules)))
        if self.rules == RulesFact.HELD and facts.is_verified and own.state in HOLDABLE:
            sentence = f"This {self._meta.verbose_name} receives no mail: our team has rolled back the receipt rules."
            return Receiving(own.name, ReceivingState.HELD, sentence)
        if self.rules == RulesFact.DROPPED and own.state is ReceivingState.REJECTED and facts.is_verified:
            sentence = f"SES rejects the mail of this {self._meta.verbose_name} now, although it was set up."
            return Receiving(own.name, own.state, f"{sentence} Our team has been notified.")
        if own.is_red and self.rules == RulesFact.WAITING and facts.rules in PARTLY_SERVED:
            return Receiving(own.name, ReceivingState.APPLYING, self._not_yet)
        return own

    @property
    def _off(self) -> Receiving:
        """SES still accepts its mail if a catch-all, or for a +label the address without it, receives it."""
        sentence = f"The {self._meta.verbose_name} is off."
        if self.rules in (*DELIVERED, RulesFact.ACCEPTED):
            sentence += " SES accepts its mail because another recipient in the receipt rules covers it: it's stored "
            sentence += "only, and senders get no bounce."
        return Receiving(self.mail_name, ReceivingState.OFF, sentence)

    @property
    def _not_yet(self) -> str:
        """Return the sentence of a recipient that no rule contains yet, at a name that receives other mail."""
        what = f"this {self._meta.verbose_name}"
        at_root = self.mail_name == self.domain.name
        if self.domain.has_catch_all if at_root else f"*.{self.domain.name}" in self.domain.mail_rules:
            return f"We're setting up {what}. Until then, its mail arrives only if the catch-all is live."
        return f"Not receiving yet. SES rejects its mail until a receipt rule contains {what}."


class Address(RequestedRecipient):
    """An email address that receives mail, at a domain or at a subdomain that isn't a domain of its own."""

    id = models.CharField(primary_key=True, max_length=40, default=new_address_id, editable=False)
    address = models.CharField(max_length=320, help_text="Lower case; the domain in ASCII.")
    customer = models.ForeignKey(
        "accounts.Customer",
        null=True,
        editable=False,
        db_index=False,
        db_constraint=False,
        on_delete=models.DO_NOTHING,
        related_name="+",
        help_text="The domain's: PostgreSQL sets it (migration 0030).",
    )
    kind = logged_as = "address"

    class Meta:
        ordering = ("address", "id")
        verbose_name_plural = "addresses"
        indexes = (
            models.Index(fields=("address", "id"), name="address_by_address"),
            models.Index(fields=("customer", "address", "id"), name="address_of_customer"),
            models.Index(fields=("address",), name="address_like", opclasses=("varchar_pattern_ops",)),
            models.Index(fields=("address",), name="address_off", condition=models.Q(is_active=False)),
            models.Index(fields=("customer", "rules"), name="address_active", condition=models.Q(is_active=True)),
            models.Index(fields=("domain",), name="address_refused", condition=~models.Q(refused_because="")),
        )
        # Not of the address alone: a claim that isn't proven must not hold an address that another customer wants.
        constraints = (
            models.UniqueConstraint(fields=("domain", "address"), name="address_of_domain_once"),
            models.CheckConstraint(
                condition=models.Q(address=Lower("address"), address__contains="@"), name="address_lower_case"
            ),
        )

    def __str__(self) -> str:
        return self.address

    @property
    def recipient(self) -> str:
        return self.address

    @property
    def mail_name(self) -> str:
        return self.address.rpartition("@")[2]

    @property
    def without_label(self) -> str:
        """Return the address that also receives this one's mail; "" if this has no +label."""
        local, at, name = self.address.rpartition("@")
        return f"{local.partition('+')[0]}{at}{name}" if "+" in local else ""


class CatchAll(RequestedRecipient):
    """Receives all other mail at a domain or, with `subdomains`, all mail at names below it and none at it."""

    id = models.CharField(primary_key=True, max_length=40, default=new_catch_all_id, editable=False)
    subdomains = models.BooleanField(default=False)
    kind, logged_as = "catch_all", "recipient"

    class Meta:
        ordering = ("domain", "subdomains")
        verbose_name = "catch-all"
        indexes = (
            models.Index(fields=("domain",), name="catch_all_refused", condition=~models.Q(refused_because="")),
            models.Index(fields=("domain",), name="catch_all_of_subdomains", condition=models.Q(subdomains=True)),
        )
        constraints = (models.UniqueConstraint(fields=("domain", "subdomains"), name="catch_all_once"),)

    def __str__(self) -> str:
        return f"{'subdomain ' if self.subdomains else ''}catch-all of {self.domain}"

    @property
    def description(self) -> str:
        return f"the {self}"

    @property
    def recipient(self) -> str:
        return self.recipient_of(self.domain.name, subdomains=self.subdomains)

    @staticmethod
    def recipient_of(domain: str, *, subdomains: bool) -> str:
        return f"{'.' if subdomains else ''}{domain}"

    @property
    def mail_name(self) -> str:
        return f"{'*.' if self.subdomains else ''}{self.domain.name}"


class FormerHolder(models.Model):
    """A customer who held a name until their domain was deleted or transferred: mail from that time stays theirs."""

    name = models.CharField(max_length=253, db_index=True)
    customer = models.CharField(max_length=40, help_text="The customer's ID; the customer may be deleted.")
    since = models.DateTimeField(null=True, help_text="When they proved it; null: unknown.")
    until = models.DateTimeField()

    class Meta:
        ordering = ("-until",)

    def __str__(self) -> str:
        return f"{self.name} until {self.until:%-d %b %Y %H:%M}"


class FormerRoute(models.Model):
    """Where a customer's mail for a recipient was delivered until their domain was transferred or its deletion began.

    `recipient` is that of an address or catch-all. Mail received before is still delivered there.
    """

    recipient = models.CharField(max_length=320)
    domain_name = models.CharField(max_length=253)
    customer = models.ForeignKey("accounts.Customer", on_delete=models.CASCADE, related_name="+")
    endpoint = models.ForeignKey(
        Endpoint, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Null: none, off or deleted."
    )
    until = models.DateTimeField()

    class Meta:
        ordering = ("-until",)
        indexes = (models.Index(fields=("recipient", "customer"), name="former_route"),)

    def __str__(self) -> str:
        return f"{self.recipient} until {self.until:%-d %b %Y %H:%M}"
