"""The product's pages, and below /bare/ an admin with Django's own columns, counts and pages.

Two options are set: `search_fields`, because nothing can be searched without it, and `raw_id_fields`, because a form
with a megabyte of customers would be no fair reference.
"""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import path

from domains.models.domains import Domain
from inbound_admin.urls import handler400, handler500
from inbound_admin.urls import urlpatterns as of_the_product
from receipt_rules.models.addresses import Address
from tenants.models.tenants import Tenant

__all__ = ["handler400", "handler500", "site", "urlpatterns"]
site = admin.AdminSite("bare")
_SEARCHED: dict[type[Model], str] = {Domain: "name", Address: "address", Tenant: "name"}


def _bare(model: type[Model], searched: str) -> type[admin.ModelAdmin[Any]]:
    relations = [each.name for each in model._meta.concrete_fields if each.is_relation]
    settings = {"search_fields": (searched,), "raw_id_fields": relations}
    return type(f"Bare{model.__name__}Admin", (admin.ModelAdmin,), settings)


for _model, _searched in _SEARCHED.items():
    site.register(_model, _bare(_model, _searched))
urlpatterns = [*of_the_product, path("bare/", site.urls)]
