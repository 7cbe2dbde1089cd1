"""Changes a domain between receiving here and send only, in the order in which no mail is lost.

To send only: first the MX record leads away, then the rules go. To receive: the rules first, the MX record last. Its
addresses are kept as rows meanwhile.
"""

from django.db import transaction

from accounts.models.people import User
from domains.models.domains import Domain
from domains.settings import services as settings_services
from receipt_rules.jobs import queue_customer_change


def choose(*, domain: Domain, receives: bool, actor: User) -> None:
    """Choosing twice is choosing once. Raises Refused: MX_LEADS_HERE, MX_UNKNOWN, or before the domain is set up."""
    with transaction.atomic():
        if settings_services.set_receives(domain=domain, receives=receives, actor=actor):
            queue_customer_change(domain.customer, actor, domains=[domain.pk])
