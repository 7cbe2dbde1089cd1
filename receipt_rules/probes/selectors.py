"""Test messages as a viewer may see them."""

from dataclasses import fields

from django.db.models import QuerySet

from accounts.people.selectors import Viewer, customers_for, supports_everyone
from audit.services import Subject
from receipt_rules.models.probes import MailProbe
from receipt_rules.probes.core import ProbeFacts


def probe_subject(probe: MailProbe) -> Subject:
    """What the change log calls it: by its recipient."""
    return Subject("probe", probe.pk, probe.recipient[:254], probe.customer_id)


def probes_for(viewer: Viewer) -> QuerySet[MailProbe]:
    """Of the viewer's customers, or of all for staff who support them."""
    rows = MailProbe.objects.select_related("customer", "domain")
    return rows if supports_everyone(viewer) else rows.filter(customer__in=customers_for(viewer))


def facts_of_probe(probe: MailProbe) -> ProbeFacts:
    return ProbeFacts(**{field.name: getattr(probe, field.name) for field in fields(ProbeFacts)})
