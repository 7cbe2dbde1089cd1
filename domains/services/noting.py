"""What apps above this one know of a domain and the list of domains shows: they tell, and nothing here asks."""

from domains.models import Domain


def note_catch_all(*, domain_id: str, has: bool) -> None:
    """Whether everything at the domain is taken by one entry. The caller has its line in the change log."""
    Domain.objects.filter(pk=domain_id).update(has_catch_all=has)
