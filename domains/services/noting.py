"""What apps above this one know of a domain and the list of domains shows: they tell, and nothing here asks."""

from domains.models import Domain, Stage


def note_catch_all(*, domain_id: str, has: bool) -> None:
    """Whether everything at the domain is taken by one entry. The caller has its line in the change log."""
    Domain.objects.filter(pk=domain_id).update(has_catch_all=has)


def note_routes_checked(*, domain_id: str, customer_id: str) -> None:
    """Receipt rules were compared for this holder; without effect where the domain has moved on meanwhile."""
    Domain.objects.filter(pk=domain_id, customer=customer_id).update(routes_unchecked=False)


def note_deletion_held_up(*, domain_id: str, why: str) -> None:
    """Why the deletion waits for somebody; empty when it goes on."""
    Domain.objects.filter(pk=domain_id, stage=Stage.DELETING).exclude(stage_problem=why).update(stage_problem=why)
