"""Renders icons as references into one file, so a page with one icon a hundred times doesn't contain it each time."""

from functools import lru_cache

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from heroicons.templatetags import heroicons

from inbound_admin import icons

register = template.Library()
_BOXES = {"micro": 16, "mini": 20, "outline": 24}


@register.simple_tag
def heroicon_micro(name: str, *, size: int | None = 16, **attrs: object) -> str:
    return _icon("micro", name, size, tuple(attrs.items()))


@register.simple_tag
def heroicon_mini(name: str, *, size: int | None = 20, **attrs: object) -> str:
    return _icon("mini", name, size, tuple(attrs.items()))


@register.simple_tag
def heroicon_outline(name: str, *, size: int | None = 24, **attrs: object) -> str:
    return _icon("outline", name, size, tuple(attrs.items()))


@lru_cache(maxsize=1024)
def _icon(style: str, name: str, size: int | None, attrs: tuple[tuple[str, object], ...]) -> SafeString:
    """Raises heroicons.IconDoesNotExist. An icon with attributes for its lines is written out: the file has none."""
    given = {key.replace("_", "-"): str(value) for key, value in attrs}
    if f"{style}-{name}" not in icons.names() or any(key.startswith("stroke") for key in given):
        return mark_safe(heroicons._render_icon(style, name, size, dict(attrs)))  # noqa: S308  # it escapes itself  # nosec B308 B703
    sizes = {} if size is None else {"width": str(size), "height": str(size)}
    fill = {"fill": "none"} if style == "outline" else {"fill": "currentColor"}
    box = {"viewBox": f"0 0 {_BOXES[style]} {_BOXES[style]}", "aria-hidden": "true"}
    written = format_html_join("", ' {}="{}"', (fill | box | sizes | given).items())
    return format_html('<svg{}><use href="{}#{}-{}"></use></svg>', written, static(icons.SPRITE), style, name)
