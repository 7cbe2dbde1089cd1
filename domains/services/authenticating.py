"""Authentication as the published API begins it: what is wanted is stored, and the worker waited for a little."""

from dataclasses import replace

from django.db import transaction

from domains.core.published import label_in
from domains.models import Domain, OnMxFailure, Stage
from domains.selectors import finding
from domains.services import configuring
from domains.services.configuring import Wanted
from inbound_admin.lib.api import wait_until
from tenants.models import User


def wanted_of(domain: Domain) -> Wanted:
    """What is wanted now, to be changed in a part."""
    return Wanted(
        mail_from_label=domain.mail_from_label,
        on_mx_failure=OnMxFailure(domain.on_mx_failure),
        dkim_signing=domain.dkim_signing,
        wants_dmarc=domain.wants_dmarc,
        dmarc_reports_to=domain.dmarc_reports_to,
        wants_apex_spf=domain.wants_apex_spf,
    )


def begin(*, domain: Domain, mail_from: str | None, spf: bool | None, dmarc: bool | None, actor: User) -> Domain:
    """What is None stays. Begins anew where Amazon gave up. Returns the row as it is after waiting. Raises Refused."""
    domain = settled(domain)
    with transaction.atomic():
        wanted = wanted_of(domain)
        if mail_from is not None:
            wanted = replace(wanted, mail_from_label=label_in(mail_from, domain.name))
        wants_spf = wanted.wants_apex_spf if spf is None else spf
        wants_dmarc = wanted.wants_dmarc if dmarc is None else dmarc
        wanted = replace(wanted, wants_apex_spf=wants_spf, wants_dmarc=wants_dmarc)
        if wanted != wanted_of(domain):
            configuring.configure(domain=domain, wanted=wanted, actor=actor)
        if domain.amazon_gave_up:
            configuring.start_again(domain=domain, actor=actor)
    return settled(domain)


def settled(domain: Domain) -> Domain:
    """The row once the worker is done with it, or has told why not, or API_WAIT_SECONDS are over."""
    wait_until(lambda: not _is_under_way(domain.pk))
    return Domain.objects.select_related("customer").filter(pk=domain.pk).first() or domain


def _is_under_way(domain_id: str) -> bool:
    return finding.domains_unfinished().filter(pk=domain_id, stage_problem="").exclude(stage=Stage.DELETING).exists()
