"""Loads what a process keeps, before its first request, and excludes it from garbage collection.

About 400,000 objects live as long as the process: modules, URLs and compiled templates. A full collection that visits
them takes a tenth of a second, and the current requests wait for it.
"""

import gc

from django.conf import settings
from django.template import engines
from django.urls import get_resolver


def load_and_freeze() -> None:
    """Load URLs and templates, for which the first visitors would wait. Then exclude all objects from collection."""
    get_resolver().url_patterns  # noqa: B018  # reading them imports every view
    if not settings.DEBUG:  # in debug mode, templates are read for each request
        _load_templates()
    gc.collect()
    gc.freeze()


def _load_templates() -> None:
    folder = settings.BASE_DIR / "templates"
    for path in sorted(folder.rglob("*.html")):
        engines["django"].get_template(path.relative_to(folder).as_posix())
