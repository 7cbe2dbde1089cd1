"""`make run`: everything on one machine, in one terminal, until Ctrl-C.

Start order: PostgreSQL, sandbox, migrations, web server, demo, worker. Stop order: the reverse, so each process can
rely on those before it. On a first start the web server shows a demo that is still being made, and says so.
"""

import http.client
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import environ
import psycopg

from inbound_admin import css
from inbound_admin.lib.errors import Problem
from sandbox.local import addresses, plan
from sandbox.local.children import Children, Stopped, python
from sandbox.local.demo_files import DemoFiles
from sandbox.local.postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parents[2]
_ANSWER_SECONDS = 60
_WELL_SECONDS = 20


def run(root: Path) -> int:
    """Return the exit status 0 after Ctrl-C or SIGTERM. Raises Problem when a process ends unexpectedly."""
    environ.Env.read_env(root / ".env")
    local = root / ".local"
    plan_ = plan.made_from(os.environ, local)
    with ExitStack() as stack:
        children = Children(plan_.environment, root)
        children.heed_signals()
        try:
            _start(plan_, children, stack, root)
        except Stopped:
            children.say("run", "stopping")
        finally:
            children.stop()
    return 0


def manage(root: Path, arguments: list[str]) -> int:
    """Run a manage.py command on the database of `run`, and on its sandbox if that is running. Return the status."""
    environ.Env.read_env(root / ".env")
    variables = plan.program_environment(os.environ, root / ".local")
    if plan.is_sandbox(variables):
        variables = _of_running_sandbox(root) | variables
    with ExitStack() as stack:
        if not variables.get("DATABASE_URL"):
            variables["DATABASE_URL"] = _embedded_url(stack, root)
        return subprocess.run(_manage(root, *arguments), check=False, cwd=root, env=variables).returncode


def _of_running_sandbox(root: Path) -> dict[str, str]:
    """Return the addresses of the running sandbox, or {} if none runs."""
    found = addresses.read(root / ".local")
    return found if found and _answers(found["AWS_ENDPOINT_URL"]) else {}


def _embedded_url(stack: ExitStack, root: Path) -> str:
    server = EmbeddedPostgres(root / ".local" / "postgres")
    return server.url if server.answers() else stack.enter_context(server).url


def _start(plan_: plan.Plan, children: Children, stack: ExitStack, root: Path) -> None:
    began = time.monotonic()
    database = _database(plan_, children, stack, root)
    children.tell(DATABASE_URL=database)
    refuse_earlier_layout(database)
    demo = DemoFiles(root / ".local", _identity(database))
    _start_sandbox(plan_, children, demo)  # it boots while the database is prepared
    _prepare(plan_, children, root)
    _wait_for_sandbox(plan_, children)
    if plan_.sandbox:
        stack.enter_context(addresses.kept(root / ".local", plan_.environment))
    is_lost = _is_lost(plan_, demo)
    if plan_.sandbox and not is_lost and not demo.is_seeded:
        _start_with_new_demo(plan_, children, root, demo, began)
    else:
        _start_all(plan_, children, root, began)
    children.wait()


def _start_all(plan_: plan.Plan, children: Children, root: Path, began: float) -> None:
    children.start("web", _web(plan_))
    children.start("worker", _worker(root))
    sign_ins = _shown(plan_, children, root, "--show", "--mail")
    unwell = _wait_until_well(plan_, children)
    _announce(plan_, children, sign_ins, unwell, seconds=time.monotonic() - began)


def _start_with_new_demo(plan_: plan.Plan, children: Children, root: Path, demo: DemoFiles, began: float) -> None:
    """Pages are served while the demo's history is made. The worker starts after it, since the seed moves the clock."""
    if demo.progress.read() is None:
        demo.progress.note(0, 0)
    children.start("web", _web(plan_))
    seed = children.start("seed", _manage(root, "seed_demo", "--company"), may_end=True)
    sign_ins = _shown(plan_, children, root, "--show")
    _wait_until_answered(plan_, children)
    _announce(plan_, children, sign_ins, "", seconds=time.monotonic() - began, is_whole=False)
    children.finish(seed)
    demo.complete()
    children.start("worker", _worker(root))
    lines = _shown(plan_, children, root, "--mail")
    unwell = _wait_until_well(plan_, children)
    if unwell:
        lines += ["", f"{plan_.address}healthz reports a problem: {_short(unwell)}"]
    children.say_block(["", f"The demo is complete after {time.monotonic() - began:.1f} seconds.", *lines, ""])


def _is_lost(plan_: plan.Plan, demo: DemoFiles) -> bool:
    """Return whether the sandbox's state is gone, and note it for the pages. An external sandbox isn't judged."""
    if plan_.sandbox_ports is None or not demo.is_lost:
        return False
    demo.progress.note_lost()
    return True


def _database(plan_: plan.Plan, children: Children, stack: ExitStack, root: Path) -> str:
    given = plan_.environment.get("DATABASE_URL")
    if given:
        return given
    server = EmbeddedPostgres(root / ".local" / "postgres")
    stack.enter_context(server)
    children.say("postgres", f"ready; data directory:  {server.data_dir}")
    return server.url


def refuse_earlier_layout(database: str) -> None:
    """Raises Problem for data from before the apps were split by subject: its migrations are not ours any more."""
    with psycopg.connect(**_psycopg_arguments(database)) as connection:
        found = connection.execute("SELECT to_regclass('changes_change')").fetchone()
        # Another's server tells its folder to nobody but superusers; then there is nothing to delete here either.
        kept = connection.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory'").fetchone()
    if found and found[0]:
        folders = f"delete the folders {kept[0]} and .local" if kept else "set DATABASE_URL to an empty database"
        raise Problem(
            "This database was created by an earlier version with other table names. Nothing was changed in it. "
            f"To start over, {folders}, then start again. See CHANGELOG.md."
        )


def _prepare(plan_: plan.Plan, children: Children, root: Path) -> None:
    children.run("migrate", _manage(root, "migrate", "--verbosity", "0"))
    if css.build_if_stale(root):
        children.say("css", "built static/build/site.css")
    if not plan_.sandbox:
        children.run("static", _manage(root, "collectstatic", "--no-input", "--verbosity", "0"))


def _start_sandbox(plan_: plan.Plan, children: Children, demo: DemoFiles) -> None:
    if not plan_.sandbox:
        return
    children.tell(DEMO_PROGRESS=str(demo.progress_path))
    if plan_.sandbox_ports is None:
        return
    demo.prepare()
    if _is_lost(plan_, demo):
        children.say("sandbox", "The files of its SES and DNS are gone: both start empty, and the database does not.")
    if "MTA_STS_AUTHORITIES" not in plan_.environment:
        children.tell(MTA_STS_AUTHORITIES=str(demo.state / "authority.pem"))
    aws, dns, web, smtp = plan_.sandbox_ports
    ports = ["--aws-port", str(aws), "--dns-port", str(dns), "--web-port", str(web), "--smtp-port", str(smtp)]
    ports += ["--state-dir", str(demo.state)]
    children.start("sandbox", _manage(demo.local.parent, "sandbox", *ports))


def _wait_for_sandbox(plan_: plan.Plan, children: Children) -> None:
    if plan_.sandbox_ports is None:
        return
    aws = plan_.sandbox_ports[0]
    if not children.wait_until(lambda: _answers(f"http://127.0.0.1:{aws}/"), seconds=_ANSWER_SECONDS):
        raise Problem(f"The sandbox didn't respond on port {aws} within {_ANSWER_SECONDS} seconds.")


def _identity(database: str) -> str:
    """Return a value that differs for a recreated cluster or database at the same address."""
    question = "SELECT system_identifier, oid FROM pg_control_system(), pg_database WHERE datname = current_database()"
    with psycopg.connect(**_psycopg_arguments(database)) as connection:
        return repr(connection.execute(question).fetchone())


def _psycopg_arguments(database: str) -> dict[str, Any]:
    """Return psycopg's arguments for a URL as Django reads it."""
    read = environ.Env.db_url_config(database)
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return {**read.get("OPTIONS", {}), **{name: read[key] for name, key in named.items() if read.get(key)}}


def _web(plan_: plan.Plan) -> list[str]:
    reload = ["--reload"] if plan_.environment.get("DEBUG", "0").lower() in ("1", "true", "yes", "on") else []
    options = [
        "--bind",
        plan_.bind,
        "--threads",
        plan_.threads,
        "--graceful-timeout",
        "3",
        "--log-level",
        "warning",
        *reload,
    ]
    return python("-m", "gunicorn", *options, "inbound_admin.wsgi")


def _manage(root: Path, *arguments: str) -> list[str]:
    return python(str(root / "manage.py"), *arguments)


def _worker(root: Path) -> list[str]:
    return _manage(root, "worker", "--shutdown-graceful-timeout", "3")


def _answers(address: str) -> bool:
    """Return whether anything answers."""
    return _status(address)[0] != 0


def _status(address: str) -> tuple[int, str]:
    """Return the HTTP status and text; a status of 0 if nothing answers."""
    # Past any proxy that the environment names: it is this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=2) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""


def _wait_until_answered(plan_: plan.Plan, children: Children) -> str:
    """Return the URL of /healthz once it answers. Raises Problem after a minute."""
    health = plan_.address + "healthz"
    if not children.wait_until(lambda: _answers(health), seconds=_ANSWER_SECONDS):
        raise Problem(f"The web server didn't respond at {health} within {_ANSWER_SECONDS} seconds.")
    return health


def _wait_until_well(plan_: plan.Plan, children: Children) -> str:
    """Return "" if /healthz reports no problem, else its text."""
    health = _wait_until_answered(plan_, children)
    if children.wait_until(_once_a_second(lambda: _status(health)[0] == 200), seconds=_WELL_SECONDS):
        return ""
    return _status(health)[1]


def _once_a_second(is_true: Callable[[], bool]) -> Callable[[], bool]:
    """Limit polling to once a second, because the server logs each request."""
    next_time = 0.0

    def asked() -> bool:
        nonlocal next_time
        if time.monotonic() < next_time:
            return False
        next_time = time.monotonic() + 1
        return is_true()

    return asked


def _shown(plan_: plan.Plan, children: Children, root: Path, *what: str) -> list[str]:
    """Return the lines of seed_demo about sign-ins and the SMTP address."""
    return children.output_of("seed", _manage(root, "seed_demo", *what)) if plan_.sandbox else []


def _announce(
    plan_: plan.Plan,
    children: Children,
    sign_ins: list[str],
    unwell: str,
    *,
    seconds: float,
    is_whole: bool = True,
) -> None:
    lines = ["", f"Inbound Admin is ready after {seconds:.1f} seconds: {plan_.address}", ""]
    if unwell:
        lines += [f"{plan_.address}healthz reports a problem: {_short(unwell)}", ""]
    if plan_.sandbox:
        lines += ["Sandbox: Amazon SES and DNS are simulated on this machine. Sign in as:", *sign_ins, ""]
    else:
        lines += ["This instance uses real Amazon SES and public DNS.", ""]
        lines += ["No account yet? In another terminal: make manage DO=createsuperuser", ""]
    if not is_whole:
        lines += ["The demo's month of history is still being made. Look around: every page says how far it is.", ""]
    children.say_block([*lines, "Press Ctrl-C to stop everything.", ""])


def _short(text: str) -> str:
    try:
        return json.dumps(json.loads(text))
    except ValueError:
        return " ".join(text.split())[:400]
