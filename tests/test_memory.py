"""What the web server's processes load before they serve, and that the garbage collector leaves it alone."""

import os
import runpy
import subprocess
import sys

from django.conf import settings
from gunicorn.config import Config  # type: ignore[import-untyped]

ASKED = """
import gc, runpy, sys
from inbound_admin.wsgi import application
runpy.run_path("gunicorn.conf.py")["post_worker_init"](None)
from django.template import engines
loaded = engines["django"].engine.template_loaders[0].loaders[0].get_template_cache
print(gc.get_freeze_count(), "domains.domain_list.views" in sys.modules, "domains/domain_list/list.html" in loaded)
"""


def test_a_web_process_has_views_and_templates_before_the_first_visitor_and_they_are_never_collected() -> None:
    told = {**os.environ, "DEBUG": "0"}
    ended = subprocess.run(
        [sys.executable, "-c", ASKED], check=True, cwd=settings.BASE_DIR, env=told, capture_output=True, text=True
    )
    frozen, views, templates = ended.stdout.split()
    assert int(frozen) > 100_000
    assert (views, templates) == ("True", "True")


def test_gunicorn_knows_the_names_in_its_file() -> None:
    named = runpy.run_path(str(settings.BASE_DIR / "gunicorn.conf.py"))
    assert {"threads", "on_starting", "post_worker_init"} <= named.keys() & Config().settings.keys()
