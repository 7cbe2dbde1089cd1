"""The mail that a customer's owners get when their sending stops or goes on: the banner of their pages, as a letter."""

from tenants.core.customer_words import banner_of
from tenants.core.standing import Standing

RESUMED = "resumed"


def mail(what: str, *, customer: str, told: str, stops_receiving: bool) -> tuple[str, str]:
    """Subject and text. `what` is RESUMED or a standing that keeps from sending. Raises ValueError for another."""
    if what == RESUMED:
        return f"Sending for {customer} goes on", f"Mail of {customer} is sent again. There is nothing to do.\n"
    banner = banner_of(customer, what, told, stops_receiving=stops_receiving)
    if banner is None:
        raise ValueError(f"nothing is told of {what}")
    return banner.title, f"{banner.told}\n\nWhat to do: {banner.to_do}\n\n{banner.goes_on}\n"


def still_holds(what: str, standing: str) -> bool:
    """A letter that waited too long must not tell what is no longer so."""
    return standing == (Standing.ACTIVE if what == RESUMED else what)
