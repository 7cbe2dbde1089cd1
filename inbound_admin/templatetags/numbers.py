"""Numbers as people read them."""

from django import template

from inbound_admin.lib.lists import Bounded

register = template.Library()


@register.filter
def counted(value: object) -> object:
    """Return a bounded count as text, such as "10,000+", which Django would group a second time; else the value."""
    return str(value) if isinstance(value, Bounded) else value
