"""Identities that SES has below customers' domains, and that are no domains here."""

from django.db import models


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
