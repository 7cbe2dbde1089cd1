"""Locks one row until the transaction ends, or refuses because somebody else deleted it meanwhile."""

from typing import Self

from django.db.models import Model

from inbound_admin.lib.errors import DeletedMeanwhile


class Lockable(Model):
    """A model whose rows people change one at a time."""

    class Meta:
        abstract = True

    @classmethod
    def locked(cls, pk: object, *related: str, no_key: bool = False) -> Self:
        """Return the row with these related ones; only the row itself is locked. Raises DeletedMeanwhile.

        `no_key`: others may refer to it meanwhile.
        """
        rows = cls._default_manager.select_for_update(of=("self",), no_key=no_key).filter(pk=pk)
        for row in rows.select_related(*related) if related else rows:
            return row
        raise DeletedMeanwhile
