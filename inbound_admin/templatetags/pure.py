"""Caches parts of a template that depend only on a few plain values: rendered once for each set of values.

    {% pure tone=label.tone word=label.word %}<c-label :tone="tone">{{ word }}</c-label>{% endpure %}

Inside, only these names exist, so nothing of one visitor or row can be kept for another. A cached part needs no
invalidation: it depends on the values and the template, and is dropped with the template and the process.
"""

from typing import Any

from django import template
from django.template.base import FilterExpression, NodeList, Parser, Token, token_kwargs
from django.template.context import Context
from django.utils.safestring import SafeString

register = template.Library()
MOST_KEPT = 512  # for one place in a template; beyond it, the cache is cleared
_PLAIN = (str, bool, int, float, type(None))


class Pure(template.Node):
    """`kept` is shared by the process's threads: two may render the same at once, and one result is kept."""

    child_nodelists = ("nodelist",)

    def __init__(self, given: dict[str, FilterExpression], nodelist: NodeList) -> None:
        self.given, self.nodelist = given, nodelist
        self.kept: dict[tuple[tuple[type, Any], ...], SafeString] = {}

    def render(self, context: Context) -> SafeString:
        values = {name: each.resolve(context) for name, each in self.given.items()}
        key = tuple((type(value), value) for value in values.values())
        drawn = self.kept.get(key)
        if drawn is None:
            drawn = self._drawn(values, context)
            if len(self.kept) >= MOST_KEPT:
                self.kept.clear()
            self.kept[key] = drawn
        return drawn

    def _drawn(self, values: dict[str, Any], context: Context) -> SafeString:
        for name, value in values.items():
            if not isinstance(value, _PLAIN):
                raise template.TemplateSyntaxError(f"“{name}” of a pure part is no plain value: {type(value).__name__}")
        alone = Context(values, autoescape=context.autoescape)
        with alone.bind_template(context.template):  # type: ignore[arg-type]  # it has one while it is rendered
            return self.nodelist.render(alone)


@register.tag
def pure(parser: Parser, token: Token) -> Pure:
    bits = token.split_contents()[1:]
    given = token_kwargs(bits, parser)
    if bits:
        raise template.TemplateSyntaxError(f"“pure” takes name=value pairs, not “{bits[0]}”.")
    nodelist = parser.parse(("endpure",))
    parser.delete_first_token()
    return Pure(given, nodelist)
