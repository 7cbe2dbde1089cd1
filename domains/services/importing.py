"""Domains of the system before this one: adopted where Amazon has them, else claims, to be proven before all else."""

from django.conf import settings
from django.db import IntegrityError, transaction

from changes import services as changes
from domains.core.claims import ClaimReason
from domains.core.names import is_label, understand
from domains.models import Domain, Stage
from domains.services import adopting, ownership
from domains.services.adopting import Fate, Outcome, Wish
from domains.services.subjects import subject
from inbound_admin.lib.errors import Refused
from tenants.services import associating


def import_domain(
    *, name: str, wish: Wish, found: adopting.Read, mail_from: str = "", reports: bool = False
) -> Outcome:
    """`found`: what Amazon was read to have. Nobody is told by e-mail and nothing is called. Raises Refused.

    NOT_AT_AMAZON: it is a claim now.
    """
    plain = understand(name).domain.ascii
    fate = adopting.fate_of(plain, customer=wish.customer, at_amazon=found.identities)
    known = Domain.objects.filter(name=plain, customer=wish.customer).first()
    if fate is Fate.TAKEN:
        return Outcome(plain, fate)
    if fate is Fate.ADOPT:
        outcome = adopting.store(*found.identities[plain], wish, found.request_ids)
    elif known is not None:
        return Outcome(plain, Fate.THEIRS, known.pk)
    else:
        outcome = Outcome(plain, fate, _claim(plain, wish, mail_from).pk)
    if reports and outcome.domain_id:
        Domain.objects.filter(pk=outcome.domain_id).update(dmarc_reports_to=f"dmarc@{plain}", wants_dmarc=True)
    return outcome


@transaction.atomic
def _claim(name: str, wish: Wish, mail_from: str) -> Domain:
    label = mail_from.removesuffix(f".{name}")
    try:
        domain = Domain.objects.create(
            customer=wish.customer,
            tenant=associating.tenant_to_join(wish.customer),
            name=name,
            region=settings.AWS_REGION,
            created_by=wish.actor,
            mail_from_label=label if label != mail_from and is_label(label) else "",
            receives=wish.receives,
            stage=Stage.CLAIM,
        )
    except IntegrityError as error:  # another worker was a moment earlier
        raise Refused(f"{name} has just been added.", code="DOMAIN_ALREADY_REGISTERED") from error
    changes.record(
        "domain.added",
        about=subject(domain),
        actor=wish.actor,
        because=wish.because,
        after={"name": name, "customer": wish.customer.name},
        bulk_id=wish.bulk_id,
    )
    ownership.open_claim(domain, ClaimReason.MOVED_IN)
    return domain
