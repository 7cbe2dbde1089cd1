"""The change log in words for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WORDS = {
    "address.added": "Added an address",
    "address.changed": "Changed an address",
    "address.removed": "Removed an address",
    "alert.acknowledged": "Acknowledged an alert",
    "alert.muted": "Muted an alert",
    "alert.unmuted": "Ended the mute of an alert",
    "api_key.created": "Made an API key",
    "api_key.revoked": "Revoked an API key",
    "catch_all.added": "Switched the catch-all on",
    "catch_all.changed": "Changed the catch-all",
    "catch_all.removed": "Switched the catch-all off",
    "customer.created": "Created the customer",
    "customer.deleted": "Deleted the customer",
    "customer.renamed": "Changed the name",
    "domain.added": "Added the domain",
    "domain.adopted": "Taken over as it was at Amazon",
    "domain.check_forced": "Asked for a check",
    "domain.claim_approved": "Approved the claim without the record",
    "domain.claim_proven": "Ownership was proven",
    "domain.claim_required": "Ownership has to be proven",
    "domain.claimed_nearby": "Somebody asked for a name next to it",
    "domain.delete_asked": "Asked to delete the domain",
    "domain.settings_asked": "Asked for other settings of the domain",
    "domain.keys_asked": "Asked for new DKIM keys",
    "domain.deleted": "Deleted the domain",
    "domain.displaced": "Gave way to a proof of ownership",
    "domain.dkim_signing": "Changed the signing of mail",
    "domain.expectation": "Changed what is expected of a record",
    "domain.expiring": "Told that it will be removed, since it is not verified",
    "domain.held": "Held the domain",
    "domain.joined_tenant": "Came into the customer's tenant",
    "domain.mail_from": "Changed the return address for bounces",
    "domain.new_dkim": "New signing keys",
    "domain.note": "Changed the note",
    "domain.override_ended": "Ended the override of the state",
    "domain.proven": "Ownership was shown by the records in its DNS",
    "domain.recommended": "Changed which records are recommended",
    "domain.released": "Released the domain",
    "domain.set_up": "Set up with Amazon",
    "domain.share_created": "Made a link for the DNS administrator",
    "domain.share_revoked": "Withdrew a link for the DNS administrator",
    "domain.started_again": "Started the set-up again",
    "domain.state": "The state changed",
    "domain.state_overridden": "Overrode the state",
    "domain.transferred": "Moved to another customer",
    "endpoint.added": "Added an endpoint",
    "endpoint.changed": "Changed an endpoint",
    "endpoint.removed": "Removed an endpoint",
    "expectation.removed": "Removed an expectation",
    "expectation.saved": "Saved an expectation",
    "forwarding.allowed": "Allowed forwarding without confirmation",
    "forwarding.asked": "Asked a recipient to confirm forwarding",
    "forwarding.confirmed": "The recipient confirmed forwarding",
    "forwarding.refused": "The recipient refused forwarding",
    "invitation.revoked": "Withdrew an invitation",
    "member.invited": "Invited somebody",
    "member.joined": "Joined by an invitation",
    "member.left": "Left",
    "member.removed": "Removed a member",
    "member.role_changed": "Changed a member's role",
    "moving_in.begun": "Began to move rows in",
    "moving_in.cancelled": "Cancelled the moving in",
    "moving_in.taken_in": "Gave rows to move in",
    "moving_in.tried_again": "Tried rows again that were not taken",
    "notifications.changed": "Changed how they are told of alerts",
    "person.account_changed": "Changed their account",
    "person.added": "Added a person",
    "person.changed": "Changed a person",
    "person.password_link_sent": "Sent a link for a new password",
    "person.switched_off": "Switched a person's sign-in off",
    "person.switched_on": "Switched a person's sign-in on",
    "receiving.permission_added": "Let SES call the function",
    "receiving.permission_approved": "Approved that SES may call the function",
    "receiving.policy_approved": "Approved a policy of the bucket",
    "receiving.policy_put": "Let SES write to the bucket",
    "rules.accepted": "Took a difference over",
    "rules.adopted": "Took over a rule set",
    "rules.applied": "Applied a plan",
    "rules.cancelled": "Cancelled a run",
    "rules.drift": "The rules at Amazon were changed elsewhere",
    "rules.failed": "A run failed",
    "rules.ignored": "Left a difference as it is",
    "rules.kept_changed": "Took a deleted domain out of a rule set that is not active",
    "rules.refused": "A run was refused",
    "rules.set_deleted": "Deleted an old rule set",
    "rules.unlocked": "Ended a run that was stuck",
    "tenant.added": "Asked for a tenant",
    "tenant.adopted": "Took over the tenant as it was at Amazon",
    "tenant.associated": "Put something into the tenant",
    "tenant.created": "Created the tenant at Amazon",
    "tenant.delete_asked": "Asked to delete the tenant",
    "tenant.deleted": "Deleted the tenant",
    "tenant.dissociated": "Took something out of the tenant",
    "tenant.pause_asked": "Asked to pause the sending",
    "tenant.pause_kept": "Looked at the pause again, and kept it",
    "tenant.paused": "The sending is paused, as Amazon confirms",
    "tenant.policy": "Chose another reputation policy",
    "tenant.policy_told": "Set the reputation policy at Amazon",
    "tenant.resume_asked": "Asked to resume the sending",
    "tenant.resumed": "The sending goes on, as Amazon confirms",
    "tenant.standing": "What Amazon says of the sending changed",
    "migration.planned": "Planned a migration",
    "migration.started": "Started the migration",
    "migration.paused": "Paused the migration",
    "migration.resumed": "Resumed the migration",
    "migration.cancelled": "Cancelled the migration",
    "migration.tried_again": "Tried customers of the migration again",
    "migration.rolled_back": "Rolled customers of the migration back",
    "tenant.switched": "Switched the sending to the tenant",
    "tenant.switched_back": "Switched the sending back",
    "receiving.stopped": "Stopped the receiving of mail",
    "receiving.resumed": "Resumed the receiving of mail",
    "drift.adopted": "Took a difference over",
    "drift.restored": "Had a difference undone",
    "drift.ignored": "Left a difference as it is",
    "drift.found": "Something at Amazon was changed elsewhere",
    "tenant.finding": "Amazon found something",
    "tenant.finding_over": "Amazon's finding is over",
    "webhook.added": "Added a webhook",
    "webhook.changed": "Changed a webhook",
    "webhook.delivered_again": "Had an event delivered once more",
    "webhook.new_secret": "Made a new secret for a webhook",
    "webhook.removed": "Removed a webhook",
    "webhook.switched_off": "Switched off a webhook that failed for days",
    "webhook.tested": "Sent a test to a webhook",
}
NAMES = {
    "dkim_signing": "signing (DKIM)",
    "dkim_tokens": "signing keys",
    "dmarc_reports_to": "summaries about forged mail (DMARC) to",
    "dkim_zone": "zone of the signing keys",
    "mail_from": "return address (MAIL FROM)",
    "on_mx_failure": "while it is not ready",
    "wants_apex_spf": "sender record (SPF)",
    "wants_dmarc": "record against forged mail (DMARC)",
}
VALUES = {"UseDefaultValue": "send with Amazon's own", "RejectMessage": "refuse to send"}


@dataclass(frozen=True)
class Detail:
    """One thing that a change touched; None is "was not there" or "is there no more"."""

    name: str
    old: str | None
    new: str | None


def words_for(what: str) -> str:
    """A verb without words of its own is shown as it is written in the log."""
    return WORDS.get(what, what)


def details(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Detail, ...]:
    """What differs, in the order in which it was written."""
    keys = dict.fromkeys((*before, *after))
    return tuple(Detail(NAMES.get(k, k.replace("_", " ")), _text(before.get(k)), _text(after.get(k))) for k in keys)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, str):
        return VALUES.get(value, value.replace("_", " ") if value.islower() and "." not in value else value) or None
    return None if value is None else str(value)
