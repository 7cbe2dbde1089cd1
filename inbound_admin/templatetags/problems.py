"""Filters for sentences about AWS: who reads decides how they are told."""

from typing import Any

from django import template

from inbound_admin.lib import errors

register = template.Library()


@register.filter
def told_to(sentence: object, reader: Any) -> str:
    """Return a problem as this person reads it, right after they tried."""
    return errors.aws_sentence(str(sentence), to=reader)


@register.filter
def retried_for(sentence: object, reader: Any) -> str:
    """Return the stored problem of a call that the worker repeats."""
    return errors.aws_sentence(str(sentence), to=reader, retried=True)
