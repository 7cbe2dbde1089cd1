"""What the web processes load before they serve, and that the garbage collector skips it."""

import os
import resource
import runpy
import subprocess
import sys

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from gunicorn.config import Config  # type: ignore[import-untyped]

from inbound_admin.memory import Handler, in_one_piece

SCRIPT = """
import gc, runpy, sys
from inbound_admin.wsgi import application
runpy.run_path("gunicorn.conf.py")["post_worker_init"](None)
from django.template import engines
loaded = engines["django"].engine.template_loaders[0].loaders[0].get_template_cache
print(gc.get_freeze_count(), "domains.domain_list.views" in sys.modules, "domains/domain_list/list.html" in loaded)
"""


def test_a_web_process_loads_views_and_templates_first_and_freezes_them() -> None:
    environment = {**os.environ, "DEBUG": "0"}
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        check=True,
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
    )
    frozen, views, templates = ended.stdout.split()
    assert int(frozen) > 100_000
    assert (views, templates) == ("True", "True")


def test_gunicorn_knows_the_names_in_its_file() -> None:
    named = runpy.run_path(str(settings.BASE_DIR / "gunicorn.conf.py"))
    assert {"threads", "on_starting", "post_worker_init"} <= named.keys() & Config().settings.keys()


def test_calls_at_any_depth_cause_no_page_faults_with_the_middleware() -> None:
    """Without the middleware, some depth is at the edge of a stack chunk, and each of 500 calls faults a page there."""
    depths = range(40, 200)
    assert max(_faults(_looped_at(depth)) for depth in depths) >= 500
    assert max(_faults(in_one_piece(_looped_at(depth))) for depth in depths) < 100


def _looped_at(depth: int) -> Handler:
    def handle(request: HttpRequest) -> HttpResponse:
        return _looped(request, depth)

    return handle


def _looped(request: HttpRequest, depth: int) -> HttpResponse:
    if depth:
        return _looped(request, depth - 1)
    for _ in range(500):
        str(_Shown())
    return HttpResponse()


class _Shown:
    def __str__(self) -> str:
        return "shown"


def _faults(handle: Handler) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    handle(HttpRequest())
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
