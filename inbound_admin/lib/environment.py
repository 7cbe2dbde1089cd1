"""Reads settings from the environment. A value that can't be read is refused by the name of its setting."""

import warnings
from collections.abc import Callable
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

TRUE, FALSE = ("true", "on", "ok", "y", "yes", "1"), ("false", "off", "n", "no", "0")
ASKED: set[str] = set()  # the names of all settings
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_WANTED = {int: "a whole number", float: "a number", bool: "1 or 0"}


class Environment(environ.Env):  # type: ignore[misc]  # it has no types
    """Numbers and switches that are set to nothing have their default: a line of a settings file was left blank."""

    def get_value(self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, **rest: Any) -> Any:
        ASKED.add(var)
        given = self.ENVIRON.get(var)
        if given is None or cast not in _WANTED:
            return super().get_value(var, cast, default, **rest)
        text = given.strip()
        if not text and default is not self.NOTSET:
            return default
        if cast is bool and text.lower() not in TRUE + FALSE:
            raise _refused(var, given, _WANTED[bool])
        try:
            return cast(text) if cast is not bool else text.lower() in TRUE
        except ValueError as error:
            raise _refused(var, given, _WANTED[cast]) from error

    def level(self, var: str, default: str) -> str:
        """Return a level of the log."""
        given = str(self.str(var, default=default)).strip().upper() or default
        if given not in LEVELS:
            raise _refused(var, given, f"one of {', '.join(LEVELS)}")
        return given

    def email_url(self, var: str, default: Any = environ.Env.NOTSET, backend: Any = None) -> dict[str, Any]:
        return _read(
            var,
            "such as smtp+tls://user:password@host:587",
            lambda: super(Environment, self).email_url(var, default, backend),
        )

    def database(self, var: str, default: str) -> dict[str, Any]:
        """Return the database, which must be PostgreSQL."""
        wanted = "such as postgres://user:password@host/name"
        found = _read(var, wanted, lambda: self.db_url(var, default=default)) if self.str(var, default=default) else {}
        if found.get("ENGINE") != "django.db.backends.postgresql":
            raise ImproperlyConfigured(f"{var} isn't the URL of a PostgreSQL database, {wanted}.")
        return found


def _read(var: str, wanted: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Name the setting, not its value, which has a password."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # environ prints the parts of a URL that it doesn't know
            return read()
    except (ImproperlyConfigured, ValueError, KeyError) as error:
        raise ImproperlyConfigured(f"{var} can't be read. Enter a URL, {wanted}.") from error


def _refused(var: str, given: str, wanted: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{var} is “{given}”. It must be {wanted}.")
