"""Amazon SES as the product meets it: moto, extended and corrected. `install` sets it up, in process and over HTTP."""

from functools import cache
from typing import Any


def install() -> None:
    """Repeatable. Call it before the first boto3 session, so every session handles process exits."""
    _install_once()


@cache
def _install_once() -> None:
    _register_operations()
    _guard_services()
    _add_route()
    _declare_codes()
    _hear_process_exits()
    _list_once()


def _register_operations() -> None:
    from sandbox.aws import (
        account,  # noqa: F401
        filters,  # noqa: F401
        functions,  # noqa: F401
        identities,  # noqa: F401
        identities_v2,  # noqa: F401
        metrics,  # noqa: F401
        permissions,  # noqa: F401
        receipt_rules,  # noqa: F401
        reputation,  # noqa: F401
        tags,  # noqa: F401
        tenants,  # noqa: F401
    )


def _guard_services() -> None:
    from moto.cloudwatch.responses import CloudWatchResponse
    from moto.ses.responses import EmailResponse
    from moto.sesv2.responses import SESV2Response
    from moto.sts.responses import TokenResponse

    from sandbox.aws.gate import guard

    guard(EmailResponse, "ses")
    guard(SESV2Response, "sesv2")
    guard(TokenResponse, "sts")
    guard(CloudWatchResponse, "cloudwatch")


def _add_route() -> None:
    """Add a route, since Flask takes moto's own `/v2/.*` literally."""
    from moto.sesv2 import urls
    from moto.sesv2.responses import SESV2Response

    urls.url_paths["{0}/v2/(?P<rest>.+)$"] = SESV2Response.dispatch


def _declare_codes() -> None:
    """Declare codes that SES sends but botocore's model lacks: moto warns of unknown ones."""
    from moto.core.errors import COMMON_ERROR_CODES

    COMMON_ERROR_CODES.extend(["Throttling", "InternalFailure", "InvalidAction"])


def _hear_process_exits() -> None:
    """End a client in the sandbox's own process if the server says so, since botocore has no such response."""
    from botocore.handlers import BUILTIN_HANDLERS

    from sandbox.aws.faults import ProcessCut
    from sandbox.aws.gate import EXIT_HEADER

    def die(response_dict: dict[str, Any], **_: Any) -> None:
        if fault := response_dict.get("headers", {}).get(EXIT_HEADER):
            raise ProcessCut(fault)

    BUILTIN_HANDLERS.append(("before-parse", die))


def _list_once() -> None:
    """Remember moto's services and the operations of each, which it lists at every call: a fifth of its time."""
    from moto import backends
    from moto.core import responses, utils

    services = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: services
    responses.method_names_from_class = cache(utils.method_names_from_class)  # type: ignore[attr-defined]  # imported there
