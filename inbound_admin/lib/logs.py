"""Logging as JSON or in colour, with the request or job ID on each line."""

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from inbound_admin.lib.redaction import masked, masked_text

SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PLAIN = frozenset({"timestamp", "level", "logger", "job_id"})
_LOGS_PATHS = ("django.request", "django.security.csrf")


class WithoutSecretPaths(logging.Filter):
    """A filter for loggers, so that no handler sees secret paths."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            clean = tuple(masked_text(arg) if isinstance(arg, str) else arg for arg in record.args)
            if clean != record.args:
                record.args = clean
                record.__dict__.pop("request", None)  # it contains the path too
        return True


def mask_secrets(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Mask secrets in a log event. It runs last, when tracebacks are text."""
    return {name: value if name in _PLAIN else masked(value, name) for name, value in event.items()}


def one_line(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Escape line breaks in the text format, so a user's input can't start a log line. JSON escapes them anyway."""
    message = str(event.get("event", ""))
    return event | {"event": _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), message)}


async def name_the_job(call_next: Callable[[], Awaitable[Any]], context: Any, worker: Any) -> Any:
    """Procrastinate middleware that adds job ID and task to log lines."""
    with structlog.contextvars.bound_contextvars(job_id=context.job.id, task=context.job.task_name):
        return await call_next()


def logging_config(*, json: bool, level: str) -> dict[str, Any]:
    """Return a `logging.config` dictionary. Also configures structlog to use the same handler."""
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    text = (one_line, structlog.dev.ConsoleRenderer(colors=False))
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            mask_secrets,
            *((structlog.processors.JSONRenderer(),) if json else text),
        ],
        "foreign_pre_chain": SHARED,
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "filters": {"without_secret_paths": {"()": WithoutSecretPaths}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "procrastinate": {"level": "WARNING"},
            "botocore": {"level": "WARNING"},
            **{name: {"filters": ["without_secret_paths"]} for name in _LOGS_PATHS},
        },
    }
