"""What gunicorn reads where it is started: threads as WEB_THREADS says, and no start with too few of them."""

from typing import Any

from inbound_admin import settings

limit_request_line = 8190  # bytes, the most that gunicorn can bound: filters and ticked rows are in the URL
threads = settings.WEB_THREADS
control_socket_disable = True  # nobody asks it anything, and where the disk is read-only it has no place


def on_starting(server: Any) -> None:
    """Slow requests never hold every thread of a process: `manage.py check` says the same of the settings alone."""
    if server.cfg.threads <= settings.SLOW_REQUESTS_AT_ONCE:
        raise SystemExit(
            f"gunicorn has {server.cfg.threads} threads and SLOW_REQUESTS_AT_ONCE is {settings.SLOW_REQUESTS_AT_ONCE}: "
            "slow requests would hold all of them. Start it with more, or set WEB_THREADS."
        )


def post_worker_init(worker: Any) -> None:
    """Load URLs and templates before the first request, and keep garbage collections short."""
    from inbound_admin.memory import load_and_freeze  # Django must have been set up

    load_and_freeze()
