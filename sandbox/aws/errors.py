"""Errors in SES's format: v1 codes have no "Exception" suffix, v2 codes do."""

from moto.core.exceptions import ServiceException


class SesRefusal(ServiceException):
    """Raised by our operations. moto serialises it from botocore's model, or with status 400 if it isn't modelled."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)


def already_exists(message: str) -> SesRefusal:
    return SesRefusal("AlreadyExistsException", message)


def bad_request(message: str) -> SesRefusal:
    return SesRefusal("BadRequestException", message)


def not_found(message: str) -> SesRefusal:
    return SesRefusal("NotFoundException", message)


def limit_exceeded(message: str) -> SesRefusal:
    return SesRefusal("LimitExceededException", message)


def invalid_parameter(message: str) -> SesRefusal:
    return SesRefusal("InvalidParameterValue", message)


def validation_error(message: str) -> SesRefusal:
    return SesRefusal("ValidationError", message)
