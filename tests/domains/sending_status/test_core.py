"""Whether a domain can send, judged by the domain first and then by its customer's tenant."""

from dataclasses import replace

import pytest

from domains.sending_status.core import SendingFacts, SendingState, judge_sending

GOOD = SendingFacts("shop.com", "ready", is_verified=True, standing="active")


@pytest.mark.parametrize(
    ("facts", "state", "word", "part"),
    [
        (GOOD, SendingState.CAN, "Enabled", "Sending is enabled."),
        (replace(GOOD, standing=""), SendingState.CAN, "Enabled", "sent as before"),
        (replace(GOOD, tenant_stage="creating"), SendingState.CAN, "Enabled", "being set up"),
        (replace(GOOD, is_verified=False), SendingState.CANNOT_YET, "Can’t send yet", "hasn’t verified it"),
        (replace(GOOD, stage="claim", is_verified=False), SendingState.CANNOT_YET, "Can’t send yet", "ownership"),
        (replace(GOOD, stage="starting", is_verified=None), SendingState.CANNOT_YET, "Can’t send yet", "set up"),
        (replace(GOOD, stage="deleting"), SendingState.ENDING, "Being deleted", "being deleted"),
        (replace(GOOD, is_verified=None), SendingState.UNKNOWN, "Unknown", "couldn’t read"),
        (replace(GOOD, standing="paused"), SendingState.OFF, "Paused", "is paused"),
        (replace(GOOD, standing="suspended"), SendingState.OFF, "Suspended by AWS", "suspended"),
        (replace(GOOD, standing="suspended", is_verified=False), SendingState.CANNOT_YET, "Can’t send yet", "DKIM"),
        (
            replace(GOOD, mail_from="bounce.shop.com", mail_from_is_verified=False),
            SendingState.CANNOT_YET,
            "Rejected",
            "MAIL",
        ),
        (
            replace(GOOD, standing="", mail_from="b.shop.com", mail_from_is_verified=False),
            SendingState.CANNOT_YET,
            "Rejected",
            "",
        ),
        (
            replace(GOOD, mail_from="b.shop.com", mail_from_is_verified=None),
            SendingState.UNKNOWN,
            "Unknown",
            "b.shop.com",
        ),
        (replace(GOOD, mail_from="b.shop.com", mail_from_is_verified=True), SendingState.CAN, "Enabled", "is enabled"),
        (replace(GOOD, standing="something new"), SendingState.UNKNOWN, "Unknown", "unknown"),
    ],
)
def test_each_case_has_its_status_and_reason(facts: SendingFacts, state: SendingState, word: str, part: str) -> None:
    found = judge_sending(facts)
    assert (found.state, found.word) == (state, word)
    assert part in found.sentence
    assert (found.tone == "good") == (state is SendingState.CAN)
