"""Changes a domain's settings: stores the desired ones, then the worker applies them in SES, one call each.

Other columns store what SES has. So after a crash the difference remains visible and the next run applies it. From the
moment a call is sent until SES confirms it, what SES has is unknown (`settings_unanswered`): both are sent again then,
even if the old settings are wanted back.
`change_and_wait` and `wait_until_applied` serve the published API: store the desired settings, then wait briefly for
the worker.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models.people import User
from accounts.people.selectors import supports_everyone
from audit import services as audit_services
from domains.announcements import services as announcements_services
from domains.checking.core.judgement import SesStatus
from domains.domain_list import selectors as domain_list_selectors
from domains.domain_list.selectors import domain_subject
from domains.identity import gateway as identity_gateway
from domains.identity import services as identity_services
from domains.jobs import queue_checks, queue_configuration, queue_set_up
from domains.models.domains import WISH, Domain, Stage
from domains.models.record_checks import RecordCheck
from domains.names.core import LONGEST_NAME, is_label, parse_mail_from_label
from domains.ownership.selectors import held_domains, refuse_moved
from domains.receiving import services as receiving_services
from domains.receiving.core import names_with_mx_here
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.seen import refuse_if_changed
from inbound_admin.lib.slow_work import wait_until

RECOMMENDED = ("wants_dmarc", "dmarc_reports_to", "wants_apex_spf")


@dataclass(frozen=True)
class DesiredSettings:
    mail_from_label: str
    on_mx_failure: Domain.OnMxFailure
    dkim_signing: bool
    wants_dmarc: bool
    dmarc_reports_to: str
    wants_apex_spf: bool


def shown_values(domain: Domain) -> dict[str, Any]:
    return {field.name: getattr(domain, field.name) for field in fields(DesiredSettings)}


def configure(*, domain: Domain, desired: DesiredSettings, actor: User, because: str = "", seen: str = "") -> None:
    """Store the desired settings. `seen`: of the form that shows them. Raises ChangedMeanwhile.

    Raises Refused for an invalid MAIL FROM domain, or before the domain is set up.
    """
    with transaction.atomic():
        locked = _ready(domain)
        desired = replace(desired, mail_from_label=parse_mail_from_label(desired.mail_from_label, locked.name))
        if (shown := shown_values(locked)) != asdict(desired):
            refuse_if_changed(seen, shown)
        audit_services.record_staff_request(
            "domain.settings_asked", about=domain_subject(locked), actor=actor, because=because
        )
        if desired.mail_from_label != locked.mail_from_label:
            _refuse_label(desired.mail_from_label, locked)
        _store_recommended(locked, desired, actor)
        locked.mail_from_label = desired.mail_from_label
        locked.on_mx_failure = desired.on_mx_failure
        locked.dkim_signing = desired.dkim_signing
        locked.set_wish(actor, because)
        locked.watched_from = timezone.now()
        locked.save()
        if locked.is_configuring:
            queue_configuration(locked)


@transaction.atomic
def set_receives(*, domain: Domain, receives: bool, actor: User) -> bool:
    """Return False if nothing changes. Raises Refused (MX_LEADS_HERE) if mail would be lost, or before setup."""
    locked = _ready(domain)
    if locked.receives == receives:
        return False
    if not receives and (leads := names_with_mx_here(locked.receiving_facts(name) for name in locked.mail_names)):
        text = f"The MX record of {leads[0]} points here. Point it to your other mail service first, then check again."
        raise Refused(text, code="MX_LEADS_HERE")
    before, after = {"receives": locked.receives}, {"receives": receives}
    locked.receives = receives
    now = timezone.now()
    receiving_services.update_receiving_state(locked, now)
    locked.watched_from = locked.next_check_at = now
    locked.save(update_fields=("receives", "receiving_state", "watched_from", "next_check_at"))
    audit_services.record("domain.receives", about=domain_subject(locked), actor=actor, before=before, after=after)
    queue_checks()
    return True


def shown_keys(domain: Domain) -> dict[str, Any]:
    return {"tokens": domain.dkim_tokens}


def rotate_dkim(*, domain: Domain, actor: User, because: str, seen: str = "") -> None:
    """Request new DKIM keys. A reason is required, since the published keys become invalid. `seen`: of the form.

    Raises Refused and ChangedMeanwhile.
    """
    if not because.strip():
        raise Refused("Enter the reason for rotating the DKIM keys.")
    with transaction.atomic():
        locked = _ready(domain)
        if locked.own_dkim_key and not locked.former_dkim_key:
            raise Refused(
                f"{domain} signs with its own DKIM key (BYODKIM), which rotation would replace. Contact support."
            )
        if locked.replica_of:
            raise Refused(f"{domain} {locked.replica_of}. Rotate the keys in that region.", code="DKIM_REPLICA")
        refuse_if_changed(seen, shown_keys(locked))
        audit_services.record_staff_request(
            "domain.keys_asked", about=domain_subject(locked), actor=actor, because=because
        )
        locked.set_wish(actor, because.strip())
        locked.new_dkim_wanted, locked.watched_from = True, timezone.now()
        locked.save(update_fields=("new_dkim_wanted", "watched_from", *WISH))
        queue_configuration(locked)


def restart_verification(*, domain: Domain, actor: User) -> None:
    """Restart the setup if SES stopped checking the domain or has no identity. Raises Refused.

    It proves nothing: an identity that somebody else created is adopted only by the customer who holds the name.
    """
    with transaction.atomic():
        locked = _ready(domain)
        if not (locked.ses_stopped_checking or supports_everyone(actor)):
            raise Refused(f"Amazon SES is still checking {domain}, so verification can't be restarted.")
        fields = {"dkim_tokens": [], "dkim_zone": "", "verification_token": "", "adopted": False}
        fields |= {"dkim_status": SesStatus.UNKNOWN, "mail_from_status": SesStatus.UNKNOWN}
        Domain.objects.filter(pk=locked.pk).update(
            stage=Stage.STARTING, stage_problem="", watched_from=timezone.now(), **fields
        )
        _delete_checks(locked, "")
        before, after = {"stage": locked.stage}, {"stage": Stage.STARTING.value}
        audit_services.record(
            "domain.started_again", about=domain_subject(locked), actor=actor, before=before, after=after
        )
        queue_set_up(locked)


def apply_settings(*, domain_id: str) -> None:
    """Apply the differences to SES. Raises AwsProblem, which is also stored for the page."""
    domain = (
        domain_list_selectors.domains_in_region()
        .select_related("wanted_by", "customer")
        .filter(pk=domain_id, stage=Stage.READY)
        .first()
    )
    if domain is None:
        return
    problems = [problem for apply in (_mail_from, _signing, _keys) if (problem := _try(apply, domain))]
    if problems:
        Domain.objects.filter(pk=domain.pk).update(stage_problem=" ".join(map(str, problems)))
        raise problems[0]
    identity_services.assign_tenant_if_sending(domain)
    applied = {"settings_unanswered": False, "stage_problem": "", "next_check_at": timezone.now()}
    Domain.objects.filter(pk=domain.pk).update(**applied)
    queue_checks()


def _try(apply: Callable[[Domain, list[str]], None], domain: Domain) -> AwsProblem | None:
    """A setting that SES refuses does not stop the others."""
    with aws.recording() as request_ids:
        try:
            apply(domain, request_ids)
        except AwsProblem as problem:
            return problem
    return None


def _expect_answer(domain: Domain) -> None:
    Domain.objects.filter(pk=domain.pk).update(settings_unanswered=True)


def _mail_from(domain: Domain, request_ids: list[str]) -> None:
    before = {"mail_from": domain.ses_mail_from, "on_mx_failure": domain.ses_on_mx_failure}
    after = {"mail_from": domain.mail_from, "on_mx_failure": domain.on_mx_failure}
    if before == after and not domain.settings_unanswered:
        return
    _expect_answer(domain)
    same_name = domain.mail_from == domain.ses_mail_from
    identity_gateway.set_mail_from(domain.name, domain.mail_from, reject_on_mx_failure=domain.rejects_on_mx_failure)
    _record_change(
        domain,
        "domain.mail_from",
        before,
        after,
        request_ids,
        ses_mail_from=domain.mail_from,
        ses_on_mx_failure=domain.on_mx_failure,
        mail_from_status=domain.mail_from_status if same_name else SesStatus.UNKNOWN,
    )


def _signing(domain: Domain, request_ids: list[str]) -> None:
    if domain.dkim_signing == domain.ses_dkim_signing and not domain.settings_unanswered:
        return
    _expect_answer(domain)
    identity_gateway.set_dkim_signing(domain.name, enabled=domain.dkim_signing)
    before, after = {"dkim_signing": domain.ses_dkim_signing}, {"dkim_signing": domain.dkim_signing}
    _record_change(domain, "domain.dkim_signing", before, after, request_ids, ses_dkim_signing=domain.dkim_signing)


def _keys(domain: Domain, request_ids: list[str]) -> None:
    if not domain.new_dkim_wanted:
        return
    now = identity_gateway.get_identity(domain.name)
    is_known = list(now.dkim_tokens) == domain.dkim_tokens
    is_former = domain.former_dkim_key and now.own_dkim_key and is_known
    if now.has_external_keys and not is_former:
        known, found = domain.dkim_origin, now.dkim_origin
        sides = ({"dkim_origin": known}, {"dkim_origin": found})
        _record_change(domain, "domain.new_dkim", *sides, request_ids, dkim_origin=found, new_dkim_wanted=False)
        return
    # Otherwise an earlier attempt rotated them and its answer was lost.
    if is_known or not now.dkim_tokens:
        issued, zone = identity_gateway.rotate_dkim_keys(domain.name, strong=is_former or not now.strong_dkim_key)
    else:
        issued, zone = now.dkim_tokens, now.dkim_zone
    _store_keys(domain, list(issued) or domain.dkim_tokens, zone, request_ids)


def _store_keys(domain: Domain, tokens: list[str], zone: str, request_ids: list[str]) -> None:
    """Store SES's own keys. They replace a key of a former owner, who can sign until its record is removed from DNS."""
    before, after = {"dkim_tokens": domain.dkim_tokens}, {"dkim_tokens": tokens}
    fields = {"dkim_tokens": tokens, "dkim_zone": zone or domain.dkim_zone, "new_dkim_wanted": False}
    if tokens != domain.dkim_tokens:
        fields |= {"dkim_status": SesStatus.UNKNOWN, "own_dkim_key": False, "former_dkim_key": False}
    was_former = domain.former_dkim_key
    with transaction.atomic():
        _record_change(domain, "domain.new_dkim", before, after, request_ids, **fields)
        if was_former and not domain.former_dkim_key:
            announcements_services.update_former_key_alert(domain)


@transaction.atomic
def _record_change(
    domain: Domain,
    what: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
    request_ids: list[str],
    **fields: object,
) -> None:
    """Store the result and its change log entry together: after a crash the next run finds both or neither."""
    for name, value in fields.items():
        setattr(domain, name, value)
    domain.save(update_fields=list(fields))
    for key, prefix in (("dkim_tokens", "dkim-"), ("mail_from", "mail-from-")):
        if before.get(key) != after.get(key):
            _delete_checks(domain, prefix)
    if before == after:  # sent again, because an answer was lost
        return
    audit_services.record(
        what,
        about=domain_subject(domain),
        actor=domain.wish_actor,
        because=domain.wanted_because,
        before=before,
        after=after,
        aws_request_ids=request_ids,
    )


def _store_recommended(domain: Domain, desired: DesiredSettings, actor: User) -> None:
    """The recommended records need no SES call, so this is stored and logged at once."""
    before = {name: getattr(domain, name) for name in RECOMMENDED}
    after = {name: getattr(desired, name) for name in RECOMMENDED}
    if before == after:
        return
    for name, value in after.items():
        setattr(domain, name, value)
    if before["dmarc_reports_to"] != after["dmarc_reports_to"]:
        _delete_checks(domain, "dmarc")
    audit_services.record("domain.recommended", about=domain_subject(domain), actor=actor, before=before, after=after)


def _delete_checks(domain: Domain, prefix: str) -> None:
    """Old records' checks say nothing about the new records, which were never published and so are not lost."""
    RecordCheck.objects.filter(domain=domain, key__startswith=prefix).delete()


def _ready(domain: Domain) -> Domain:
    """Lock the row and check its stage again: the request may come from an outdated page."""
    locked = Domain.objects.select_for_update().filter(pk=domain.pk, stage=Stage.READY).first()
    if locked is None:
        raise Refused("The domain isn't set up yet. You can change its settings after setup.")
    refuse_moved(locked, domain)
    if locked.region != settings.AWS_REGION:
        raise Refused(f"{locked} belongs to the region {locked.region}, which is managed separately.")
    return locked


def _refuse_label(label: str, domain: Domain) -> None:
    if label and not is_label(label):
        raise Refused("The MAIL FROM subdomain can contain only letters, digits and hyphens, such as “bounce”.")
    name = f"{label}.{domain.name}"
    if label and len(name) > LONGEST_NAME:
        raise Refused(f"That MAIL FROM domain has {len(name)} characters. DNS allows at most {LONGEST_NAME}.")
    if label:
        refuse_receiving(name, domain)


def refuse_receiving(name: str, domain: Domain) -> None:
    """Raise Refused if the name receives mail, here or for another customer: its MX record would lead elsewhere."""
    if _receives(name, domain):
        raise Refused(f"{name} can't be the MAIL FROM domain because it receives mail. Choose another name.")


def _receives(name: str, domain: Domain) -> bool:
    """Return True if the name is a domain or has addresses. Other customers' unproven rows do not count: they would
    block the owner from using the name.
    """
    if name in domain.mail_rules:
        return True
    own = Domain.objects.filter(name=name, customer=domain.customer_id).exclude(stage=Stage.CLAIM)
    return own.exists() or held_domains().filter(name=name).exists()


def desired_settings(domain: Domain) -> DesiredSettings:
    return DesiredSettings(**shown_values(domain))


@transaction.atomic
def change(*, domain: Domain, actor: User, **changes: Any) -> Domain:
    """Change these of the `DesiredSettings`, and return the locked row. Raises Refused and ChangedMeanwhile.

    The others stay as they are now, also if another request changes them at this moment.
    """
    locked = Domain.objects.select_for_update().filter(pk=domain.pk).first() or domain
    refuse_moved(locked, domain)
    present = desired_settings(locked)
    if (desired := replace(present, **changes)) != present:
        configure(domain=locked, desired=desired, actor=actor)
    return locked


def change_and_wait(
    *, domain: Domain, mail_from: str | None, spf: bool | None, dmarc: bool | None, actor: User
) -> Domain:
    """Change the given settings; None keeps one. Restarts setup if SES stopped checking. Returns the row after waiting.
    Raises Refused and ChangedMeanwhile.
    """
    wait_until_applied(domain)
    label = None if mail_from is None else parse_mail_from_label(mail_from, domain.name)
    wanted = {"mail_from_label": label, "wants_apex_spf": spf, "wants_dmarc": dmarc}
    with transaction.atomic():
        domain = change(
            domain=domain, actor=actor, **{name: value for name, value in wanted.items() if value is not None}
        )
        if domain.ses_stopped_checking:
            restart_verification(domain=domain, actor=actor)
    return wait_until_applied(domain)


def wait_until_applied(domain: Domain) -> Domain:
    """Return the row once the worker has finished or stored a problem, or after API_WAIT_SECONDS."""
    wait_until(lambda: not _is_in_progress(domain.pk))
    same = Domain.objects.filter(pk=domain.pk, customer=domain.customer_id)  # what another customer has isn't shown
    return same.select_related("customer").first() or domain


def _is_in_progress(domain_id: str) -> bool:
    return (
        domain_list_selectors.domains_unfinished()
        .filter(pk=domain_id, stage_problem="")
        .exclude(stage=Stage.DELETING)
        .exists()
    )
