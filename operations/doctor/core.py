"""Checks of the deployment that need no call. Pure."""

from datetime import timedelta

from receipt_rules.receiving_setup.core import SetupFinding, SetupVerdict

# AWS rejects a signature that is more than five minutes off (Signature Version 4). The warning comes well before.
CLOCK_MAY_DIFFER = timedelta(minutes=1)


def clock(ours: timedelta) -> SetupFinding:
    """Check the clock. `ours`: how far our clock is ahead of AWS's; negative: behind."""
    off = abs(ours)
    if off <= CLOCK_MAY_DIFFER:
        return SetupFinding("Clock", SetupVerdict.RIGHT, "This machine's clock matches AWS.")
    side = "ahead of" if ours > timedelta() else "behind"
    return SetupFinding(
        "Clock",
        SetupVerdict.WRONG,
        f"This machine's clock is {int(off.total_seconds())} seconds {side} AWS.",
        "Synchronise the clock with NTP. AWS rejects every call at 5 minutes' difference.",
    )
