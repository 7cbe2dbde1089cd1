"""Loads what a process keeps, before its first request, and excludes it from garbage collection.

About 400,000 objects live as long as the process: modules, URLs and compiled templates. A full collection that visits
them takes a tenth of a second, and the current requests wait for it.

Each request has one piece of memory for its frames (`in_one_piece`).
"""

import gc
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import get_resolver

Handler = Callable[[HttpRequest], HttpResponse]
_SLOTS = 70_000  # 560 kB, for which CPython takes a megabyte


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


def in_one_piece(get_response: Handler) -> Handler:
    """Middleware: let CPython hold all frames of the request in one piece of memory. It must be the outermost.

    CPython keeps frames in pieces of 16 kB, and gives a piece back as soon as its first frame ends. Where a loop of a
    template happens to call at the edge of a piece, each call takes a piece from the system and gives it back: 1,300
    times for a list of addresses, a fifth of its time. A frame that says it needs more than half a megabyte gets a
    megabyte, and the frames of the request are in the rest of it. What isn't used of it is never touched.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    middleware.__code__ = middleware.__code__.replace(co_stacksize=_SLOTS)
    return middleware
