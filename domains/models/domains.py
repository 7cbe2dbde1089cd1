"""Domains: the desired settings, what SES has, and what DNS has, each in separate columns."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.functional import cached_property

from domains.checking.core.judgement import SesStatus, State
from domains.domain_list import core as columns
from domains.identity.core import Stage as Stage  # noqa: PLC0414  re-exported for queries
from domains.models.identities import SesIdentity
from domains.mta_sts.core import PolicyCheck
from domains.names.core import DomainName
from domains.ownership.core import TOO_LATE
from domains.policies.core import PublishedPolicies
from domains.receiving.core import Receiving, ReceivingFacts, ReceivingState, names_with_mx_here, requires_mx
from domains.records.core import (
    INBOUND_MX,
    IdentityFacts,
    Need,
    Record,
    RecordExpectation,
    apply_expectations,
    can_receive,
    mx_record,
    records_for,
)
from inbound_admin.lib.ids import new_id
from inbound_admin.lib.lockable import Lockable


def new_domain_id() -> str:
    return new_id("dom")


def _person() -> Any:
    return models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )


STAGES = [
    (Stage.CLAIM.value, "Ownership not proven"),
    (Stage.STARTING.value, "Setting up in Amazon SES"),
    (Stage.READY.value, "Set up"),
    (Stage.DELETING.value, "Deleting"),
]
STATES = [(state.value, state.label) for state in State]
RECEIVING_STATES = [(state.value, state.value) for state in ReceivingState if state.value not in ("held", "off")]
MAY_BE_UNVERIFIED = ~models.Q(state="verified") | models.Q(override_until__isnull=False)
WISH = ("wanted_by", "wanted_because", "wanted_with_key")


class Domain(Lockable, SesIdentity):
    id = models.CharField(primary_key=True, max_length=40, default=new_domain_id, editable=False)
    customer = models.ForeignKey("accounts.Customer", on_delete=models.PROTECT, related_name="domains")
    tenant = models.ForeignKey(
        "tenants.Tenant", null=True, blank=True, on_delete=models.PROTECT, related_name="domains"
    )  # none until the customer is migrated
    name = models.CharField(max_length=253, help_text="In ASCII, lower case, without a trailing dot.")
    region = models.CharField(max_length=32)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = _person()
    stage = models.CharField(max_length=10, choices=STAGES, default=Stage.STARTING)
    stage_problem = models.TextField(blank=True, help_text="Why setup or deletion is delayed, as shown on pages.")
    adopted = models.BooleanField(default=False, help_text="SES already had the identity.")

    # desired, beside those of the identity
    receives = models.BooleanField(default=True, help_text="Receives mail here. Otherwise send only.")
    wants_apex_spf = models.BooleanField(default=True)
    wants_dmarc = models.BooleanField(default=True)
    dmarc_reports_to = models.EmailField(blank=True, help_text="Address for aggregate DMARC reports.")
    has_catch_all = models.BooleanField(default=False, help_text="Maintained by the receipt_rules app, for the list.")

    wanted_by = _person()
    wanted_because = models.TextField(blank=True)
    wanted_with_key = models.CharField(max_length=300, blank=True, db_default="", help_text="API key of the request.")
    deletion_bulk_id = models.CharField(max_length=40, blank=True, help_text="Bulk ID of the deletion.")
    routes_removed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the last receipt rule with it was removed. Deletion waits for it."
    )

    # ownership
    claim_token = models.CharField(max_length=64, blank=True)
    claim_reason = models.CharField(max_length=30, blank=True)
    claim_proven_at = models.DateTimeField(null=True, blank=True)
    proven_at = models.DateTimeField(
        null=True, blank=True, help_text="When DNS or staff proved that the customer owns it."
    )
    held_since = models.DateTimeField(null=True, blank=True)  # when support moved it to this customer
    unproven_warned_at = models.DateTimeField(
        null=True, blank=True, help_text="When its owners were warned of the removal."
    )
    identity_deletion_wanted = models.BooleanField(default=False, db_column="unmake_wanted", help_text="Claim stays.")

    # staff decisions
    note = models.TextField(blank=True)
    routes_unchecked = models.BooleanField(
        default=True, help_text="New holder: receipt rules may still contain routes of the former holder."
    )
    routes_problem = models.TextField(blank=True, help_text="What rules still do for the former holder, and why.")
    routes_look_at = models.DateTimeField(null=True, blank=True, help_text="Earliest time of the next comparison.")
    moved_at = models.DateTimeField(
        null=True, blank=True, help_text="When staff transferred it. Empty once SES delivers to the new holder."
    )
    moved_from = models.ForeignKey(
        "accounts.Customer", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    held_at = models.DateTimeField(null=True, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    held_by = _person()
    held_because = models.TextField(blank=True)
    expectations = models.JSONField(default=dict, blank=True, help_text="Record exceptions by record key.")
    override_state = models.CharField(max_length=20, blank=True, choices=STATES, help_text="Set by staff.")
    override_until = models.DateTimeField(null=True, blank=True)
    override_at = models.DateTimeField(null=True, blank=True)
    override_by = _person()
    override_because = models.TextField(blank=True)

    # what DNS has
    zone = models.CharField(max_length=253, blank=True, help_text="Name of its zone, if below the registrable name.")
    zone_at = models.DateTimeField(null=True, blank=True)
    last_dns_check = models.DateTimeField(null=True, blank=True)
    policies = models.JSONField(default=dict, blank=True, help_text="Last seen SPF and DMARC records by name.")
    provider = models.CharField(max_length=60, blank=True)
    domain_connect = models.JSONField(default=dict, blank=True, help_text="Domain Connect settings of its DNS host.")
    domain_connect_at = models.DateTimeField(null=True, blank=True)
    soa_serial = models.CharField(max_length=10, blank=True, help_text="The zone's serial at the last diagnosis.")
    soa_serial_since = models.DateTimeField(null=True, blank=True)
    said_added_at = models.DateTimeField(null=True, blank=True, help_text="Last press of “I’ve added the records”.")
    mta_sts = models.JSONField(default=dict, blank=True, help_text="What its MTA-STS policy does.")
    mta_sts_at = models.DateTimeField(null=True, blank=True, help_text="Last attempt to fetch the policy.")
    mta_sts_block = models.JSONField(null=True, blank=True, help_text="Senders follow a policy that excludes us.")

    # receiving: stored by receipt_rules and by the check, judged in receiving/core.py
    mail_rules = models.JSONField(
        default=dict, blank=True, help_text="What the active rule set does with mail, by name, including subdomains."
    )
    mx_facts = models.JSONField(default=dict, blank=True, help_text="Where the MX of each of these names points.")
    receiving_state = models.CharField(
        max_length=20, blank=True, choices=RECEIVING_STATES, help_text="Of the name with the most severe state."
    )

    # derived state
    state = models.CharField(max_length=20, choices=STATES, default=State.NOT_CHECKED)
    known_state = models.CharField(
        max_length=20, choices=STATES, default=State.NOT_CHECKED, help_text="The last state from a successful check."
    )
    state_since = models.DateTimeField(auto_now_add=True)
    summary = models.TextField(blank=True)
    watched_from = models.DateTimeField(auto_now_add=True, help_text="Checks are frequent for a while after this.")
    verified_at = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(null=True, blank=True)
    failed_checks = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("name",)
        permissions = (
            ("hold_domain", "Can hold and release a domain"),
            ("transfer_domain", "Can transfer a domain to another customer"),
            ("approve_claim", "Can approve a claim without DNS proof"),
            ("adopt_identity", "Can adopt an existing SES identity for a customer"),
            ("expect_record", "Can add record exceptions"),
            ("override_state", "Can override the status of a domain"),
        )
        constraints = (
            # Only one row per name has the identity. Until proven it can be displaced (ownership/services.py).
            models.UniqueConstraint(fields=("name",), condition=~models.Q(stage="claim"), name="domain_held_once"),
            models.UniqueConstraint(fields=("customer", "name"), name="domain_of_customer_once"),
        )
        indexes = (
            models.Index(fields=("customer", "provider"), name="domain_providers"),
            models.Index(fields=("state", "name"), name="domain_by_state"),
            models.Index(fields=("name", "id"), name="domain_by_name"),
            models.Index(Coalesce("held_since", "created_at"), "id", name="domain_by_added"),
            # Covers the counts of the API's list, so that they need only the index.
            models.Index(
                fields=("customer", "stage", "identity_status", "dkim_status", "verified_at", "has_catch_all"),
                name="domain_counted",
            ),
            models.Index(fields=("next_check_at",), name="domain_due", condition=~models.Q(stage="deleting")),
            models.Index(fields=("provider",), name="domain_by_provider"),
            models.Index(models.F("last_dns_check").asc(nulls_first=True), "name", name="domain_by_last_check"),
            models.Index(
                fields=("override_until",), name="domain_overridden", condition=models.Q(override_until__isnull=False)
            ),
            models.Index(fields=("customer",), name="domain_unverified", condition=MAY_BE_UNVERIFIED),
            models.Index(fields=("name",), name="domain_held_up", condition=~models.Q(stage_problem="")),
            models.Index(
                fields=("name",),
                name="domain_of_former",
                condition=models.Q(moved_at__isnull=False) | ~models.Q(routes_problem=""),
            ),
            models.Index(fields=("receiving_state", "name"), name="domain_by_receiving"),
        )

    def __str__(self) -> str:
        return str(self.parsed)

    @cached_property
    def parsed(self) -> DomainName:
        return DomainName.from_stored(self.name)

    @property
    def hosted(self) -> DomainName:
        """Return the name in the zone of its DNS host. Record names on pages and in files are relative to that zone."""
        return replace(self.parsed, zone=self.zone) if self.zone else self.parsed

    @property
    def facts(self) -> IdentityFacts:
        return IdentityFacts(
            domain=self.parsed,
            region=self.region,
            verification_token=self.verification_token,
            verified_by_dkim=SesStatus.SUCCESS == self.identity_status == self.dkim_status,
            dkim_tokens=() if self.own_dkim_key else tuple(self.dkim_tokens),
            dkim_zone=self.dkim_zone,
            mail_from=self.ses_mail_from,
            receiving=requires_mx(self.receiving_facts(self.name)),
            receiving_below=tuple(name for name in self.names_below if requires_mx(self.receiving_facts(name))),
            wants_apex_spf=self.wants_apex_spf,
            wants_dmarc=self.wants_dmarc,
            dmarc_reports_to=self.dmarc_reports_to,
            wants_mta_sts=settings.RECOMMEND_MTA_STS and INBOUND_MX not in self.expectations,
            policies=self.published,
        )

    @property
    def published(self) -> PublishedPolicies:
        return PublishedPolicies.of_json(self.policies)

    @property
    def mta_sts_check(self) -> PolicyCheck:
        return PolicyCheck.of_json(self.mta_sts)

    @property
    def records(self) -> tuple[Record, ...]:
        return apply_expectations(records_for(self.facts), {each.key: each for each in self.expected})

    @property
    def expected(self) -> tuple[RecordExpectation, ...]:
        return tuple(RecordExpectation(key, **fields) for key, fields in sorted(self.expectations.items()))

    @property
    def checked_records(self) -> tuple[Record, ...]:
        """Return the required records, and each inbound MX that would lose mail if it were published already."""
        records = self.records
        if not can_receive(self.region):
            return records
        later = set(self.mail_names) - {record.name for record in records if record.type == "MX"}
        return (*records, *(mx_record(name, self.parsed, self.region, Need.LATER) for name in sorted(later)))

    @property
    def names_below(self) -> tuple[str, ...]:
        return columns.names_below(self)

    @property
    def mail_names(self) -> tuple[str, ...]:
        return (self.name, *self.names_below)

    def receiving_facts(self, name: str) -> ReceivingFacts:
        return columns.receiving_facts(self, name)

    @property
    def receiving(self) -> Receiving:
        return columns.receiving(self)

    @property
    def mx_here(self) -> tuple[str, ...]:
        """Names whose MX record points here, as last seen. They should be moved before a deletion."""
        return names_with_mx_here(self.receiving_facts(name) for name in self.mail_names)

    @property
    def receiving_below(self) -> tuple[Receiving, ...]:
        return columns.receiving_below(self)

    @property
    def headline(self) -> str:
        return columns.headline(self, self.receiving)

    @property
    def shown_state(self) -> State:
        return columns.shown_state(self, timezone.now())

    @property
    def is_overridden(self) -> bool:
        return columns.is_overridden(self, timezone.now())

    @property
    def result_behind(self) -> str:
        return columns.result_behind(self, timezone.now())

    @property
    def ses_stopped_checking(self) -> bool:
        """Return True if SES stopped checking after 72 hours, or has no identity."""
        gave_up = SesStatus.FAILED in self.ses_statuses.values() or self.identity_status == SesStatus.NOT_STARTED
        return self.stage == Stage.READY and gave_up

    @property
    def is_configuring(self) -> bool:
        """Return True if SES does not have the desired settings yet."""
        return self.stage == Stage.READY and (self.has_unsent_settings or self.new_dkim_wanted)

    @property
    def added_at(self) -> datetime:
        return self.held_since or self.created_at

    @property
    def is_proven(self) -> bool:
        return columns.is_proven(self)

    @property
    def is_held_by_another(self) -> bool:
        """Return True for a claim to a name that another customer has proven, by the last check."""
        return self.stage == Stage.CLAIM and self.stage_problem == TOO_LATE

    @property
    def is_verified(self) -> bool:
        """Return True if SES has verified it by any record, or if SES is unreachable and it was verified before."""
        was_right = self.verified_at is not None and self.dkim_status != SesStatus.FAILED
        can_be = self.stage == Stage.READY and self.identity_status not in columns.UNVERIFIED
        return can_be and (self.identity_status == SesStatus.SUCCESS or was_right)

    def set_wish(self, actor: Any, because: str) -> None:
        """Set who requested the change that the worker carries out, and with which API key. The caller saves."""
        self.wanted_by, self.wanted_because, self.wanted_with_key = actor, because, getattr(actor, "acts_by_key", "")

    @property
    def wish_actor(self) -> Any:
        """Return who requested the change, as the change log names them: with the API key, if there was one."""
        if self.wanted_by is not None:
            self.wanted_by.acts_by_key = self.wanted_with_key
        return self.wanted_by

    @property
    def removal_at(self) -> datetime | None:
        """Return when it will be removed because nobody proved it; None before the warning, and once it is verified."""
        days, warning = settings.UNPROVEN_DOMAIN_DAYS, settings.UNPROVEN_WARNING_DAYS
        if self.unproven_warned_at is None or self.is_proven or self.is_verified or not days:
            return None
        return max(self.created_at + timedelta(days=days), self.unproven_warned_at + timedelta(days=warning))

    @property
    def is_removal_due(self) -> bool:
        """Return True if it stays after its deadline, because no check shows yet that it isn't verified."""
        return self.removal_at is not None and self.removal_at <= timezone.now()

    @property
    def is_held(self) -> bool:
        return self.held_at is not None


# Identities that SES has below customers' domains, and that are no domains here.


class SubIdentity(models.Model):
    """A subdomain or an email address that SES has as an identity of its own, below a domain of a customer.

    SES uses it, and not the domain, for sends from there. Written by each read of SES's list of identities.
    """

    region = models.CharField(max_length=32)
    name = models.CharField(max_length=320)
    domain = models.ForeignKey(
        "domains.Domain",
        on_delete=models.CASCADE,
        related_name="sub_identities",
        help_text="The closest domain above that a customer has.",
    )
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("region", "name"), name="sub_identity_once"),)

    def __str__(self) -> str:
        return self.name


# Requests to be notified when a domain is verified.


class VerifiedNotice(models.Model):
    """Sent once, even after a crash: `told_at` is set in the transaction that finds the domain verified."""

    domain = models.ForeignKey("domains.Domain", on_delete=models.CASCADE, related_name="verified_notices")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("domain", "person"), name="verified_notice_once"),)

    def __str__(self) -> str:
        return f"{self.domain_id} to {self.person_id}"
