"""SES's findings about a tenant (ListRecommendations) in plain words. What we do not know is shown as it came."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

FIXED = "FIXED"
HIGH, LOW = "HIGH", "LOW"


@dataclass(frozen=True)
class Found:
    """One recommendation; `resource` is the ARN of what it is about, the other words are SES's own."""

    resource: str
    kind: str
    impact: str
    status: str
    text: str
    opened_at: datetime
    changed_at: datetime | None

    @property
    def is_open(self) -> bool:
        """A status that we do not know counts as open: better looked at in vain than overlooked."""
        return self.status != FIXED


@dataclass(frozen=True)
class Words:
    title: str
    means: str
    todo: str


WORDS: Mapping[str, Words] = {
    "BOUNCE": Words(
        "Too many messages bounce",
        "Many of the addresses that are written to do not exist. Mailbox providers take that for a bought or old list.",
        "Stop sending to addresses that bounced, remove old ones from the lists, and find out where the bad ones came "
        "from. The rate falls by itself as good mail is sent.",
    ),
    "COMPLAINT": Words(
        "Too many recipients complain",
        "Recipients press “this is spam” more often than Amazon accepts.",
        "Send only to people who asked for it, take whoever complains off the lists at once, and make it easy to "
        "unsubscribe, with one click.",
    ),
    "FEEDBACK_3P": Words(
        "Somebody else reported the mail",
        "An organisation that watches for unwanted mail, or a mailbox provider, told Amazon about mail of this tenant.",
        "Look at what was sent lately and to whom. If an account was taken over, pause the tenant first.",
    ),
    "IP_LISTING": Words(
        "An address that sends is on a block list",
        "A public list of senders to be refused names an IP address from which this mail goes out.",
        "Ask Amazon's support, which removes shared addresses itself; for dedicated ones follow the list's own way "
        "off it, once the cause is gone.",
    ),
    "DKIM": Words(
        "Mail is not signed as it should be (DKIM)",
        "The signature is missing, or its records are not in the DNS, so receivers cannot tell that the mail is real.",
        "Open the domain's records and publish the three DKIM records that are shown there.",
    ),
    "SPF": Words(
        "The return address is not authorised (SPF)",
        "The SPF record of the return address (MAIL FROM) is missing or does not name Amazon.",
        "Open the domain's records and publish the records of the return address.",
    ),
    "DMARC": Words(
        "The domain says nothing about forged mail (DMARC)",
        "Without a DMARC record large providers refuse or sort out mail that is sent to many.",
        "Open the domain's records and publish the DMARC record that is shown there.",
    ),
    "BIMI": Words(
        "The logo cannot be shown (BIMI)",
        "The record that names the logo is missing or not right. It does not affect whether mail arrives.",
        "Publish or mend the BIMI record, or leave it: nothing else depends on it.",
    ),
}


def words_for(kind: str) -> Words:
    """A kind that is new to us keeps Amazon's own name."""
    unknown = Words(
        f"Amazon's finding {kind}",
        "Amazon has added this kind of finding since our words were written.",
        "Read Amazon's own text where there is one, and look the word up in the documentation of SES.",
    )
    return WORDS.get(kind, unknown)
