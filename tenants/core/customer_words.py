"""What a customer reads when their sending is off: why, what goes on, what to do. Never staff's own notes."""

from dataclasses import dataclass

from tenants.core.standing import Standing

TOLD = "We had to stop the mail that you send. Please answer our support, who tell you what we saw."
GOES_ON = "Everything here goes on working, and mail to you keeps arriving."
STOPPED_TOO = "Everything here goes on working. Mail to your addresses is not taken meanwhile."
_OFF: dict[str, tuple[str, str, str]] = {
    Standing.PAUSING: (
        "Sending for {name} is being paused",
        "Our staff is stopping it.",
        "Put that right, then answer our support, who resume it.",
    ),
    Standing.PAUSED: (
        "Sending for {name} is paused",
        "It was stopped because of what receivers reported.",
        "Put that right, then answer our support, who resume it.",
    ),
    Standing.RESUMING: (
        "Sending for {name} is being resumed",
        "It was stopped for a while.",
        "Nothing: it goes on by itself as soon as Amazon has confirmed it.",
    ),
    Standing.SUSPENDED: (
        "Amazon has suspended sending for {name}",
        "Amazon, who carry your mail, have stopped it because of what receivers reported.",
        "Write to our support. They ask Amazon, who alone can lift it.",
    ),
}


@dataclass(frozen=True)
class Banner:
    """`tone` is how bad it is; `told` is in staff's words for the customer."""

    title: str
    told: str
    goes_on: str
    to_do: str
    tone: str


def banner_of(name: str, standing: str, told: str, *, stops_receiving: bool = False) -> Banner | None:
    """None while sending is on, or nothing is known against it."""
    if standing not in _OFF:
        return None
    title, because, to_do = _OFF[Standing(standing)]
    return Banner(
        title=title.format(name=name),
        told=because if standing == Standing.SUSPENDED else told.strip() or because,
        goes_on=STOPPED_TOO if stops_receiving else GOES_ON,
        to_do=to_do,
        tone="info" if standing == Standing.RESUMING else "bad" if standing == Standing.SUSPENDED else "warn",
    )
