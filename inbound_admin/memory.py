"""What a process loads once and keeps: loaded before it serves, and then left alone by the garbage collector.

Some 400,000 objects stay as long as the process: modules, URLs, compiled templates. A full collection that visits them
takes a tenth of a second, and whoever is served meanwhile waits for it.
"""

import gc

from django.conf import settings
from django.template import engines
from django.urls import get_resolver


def load_and_freeze() -> None:
    """URLs and templates, which the first visitors would wait for; then nothing that is here is collected again."""
    get_resolver().url_patterns  # noqa: B018  # reading them imports every view
    if not settings.DEBUG:  # there, templates are read anew each time
        _load_templates()
    gc.collect()
    gc.freeze()


def _load_templates() -> None:
    folder = settings.BASE_DIR / "templates"
    for path in sorted(folder.rglob("*.html")):
        engines["django"].get_template(path.relative_to(folder).as_posix())
