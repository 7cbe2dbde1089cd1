"""The sandbox's state on disk: SES's, the zones, and received mail, written a moment after the last change. One that
is durable writes before it answers, and writes down each call: then `kill -9` loses nothing, as with Amazon's own.

Lambda, IAM and SNS are not kept: what a deployment finds there is seeded at every boot. The stamp discards a
snapshot that other versions of moto, botocore or ours wrote. It is a pickle: read only from our own directory.
"""

import logging
import pickle  # reads only our own file  # nosec B403
import threading
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from moto.ses.models import ses_backends

from sandbox.aws.limits import Beliefs, Limits
from sandbox.aws.state import WORLD, regions
from sandbox.dns.zones import ZoneStore
from sandbox.mail.log import MailLog
from sandbox.stored_mail import StoredMail

FORMAT = 5
FILE, UNREADABLE, CALLS = "state.pickle", "state.pickle.unreadable", "calls.jsonl"
DELAY_SECONDS = 1.0
logger = logging.getLogger(__name__)


def stamp() -> dict[str, object]:
    return {"format": FORMAT, "moto": version("moto"), "botocore": version("botocore")}


class Snapshot:
    def __init__(self, directory: Path, zones: ZoneStore, delay: float = DELAY_SECONDS) -> None:
        self.path = directory / FILE
        self._zones = zones
        self._stored = StoredMail(directory / "s3")
        self._delay = delay
        self._timer: threading.Timer | None = None
        self._timer_lock = threading.Lock()

    def save_soon(self) -> None:
        """Save once for all changes of the next moment."""
        with self._timer_lock:
            if self._timer is None:
                self._timer = threading.Timer(self._delay, self._save_now)
                self._timer.daemon = True
                self._timer.start()

    def _save_now(self) -> None:
        with self._timer_lock:
            self._timer = None
        self.save()

    def stop(self) -> None:
        """Write pending changes."""
        with self._timer_lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
        self.save()

    def save(self) -> None:
        """Replace the file atomically, so a process that dies leaves the previous one."""
        with WORLD.lock:
            packed = pickle.dumps({"stamp": stamp(), "aws": _aws(), "zones": self._zones.snapshot()})
            self._stored.save()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.path.with_suffix(".new")
            fresh.write_bytes(packed)
            fresh.replace(self.path)

    def load(self) -> bool:
        """Load a snapshot; False if there is none, or this version can't read it.

        An unreadable one is kept aside and logged.
        """
        if not self.path.exists():
            return False
        if self._restored():
            self._stored.load()
            return True
        self.path.replace(self.path.with_name(UNREADABLE))
        return False

    def _restored(self) -> bool:
        try:
            held = pickle.loads(self.path.read_bytes())  # noqa: S301 - our own file  # nosec B301
            if held["stamp"] != stamp():
                logger.warning("The sandbox starts empty: its state was written by %s.", held["stamp"])
                return False
            with WORLD.lock:
                self._zones.restore(held["zones"])
                _restore(held["aws"])
        except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, LookupError, TypeError, ValueError):
            logger.exception("The sandbox starts empty: its state can't be read.")
            return False
        return True


def _aws() -> dict[str, Any]:
    return {
        "ses": {(state.account_id, state.region): dict(backend.__dict__) for backend, state in regions()},
        "limits": vars(WORLD.limits),
        "beliefs": vars(WORLD.beliefs),
        "offset": WORLD.clock.offset,
        "per_second": WORLD.throttle.per_second,
        "refused_recipients": WORLD.refused_recipients,
        "receiver": (*WORLD.receiver, WORLD.forward_from),
        "sites": WORLD.sites,
        "mail": WORLD.mail,
    }


def _restore(held: dict[str, Any]) -> None:
    for (account, region), members in held["ses"].items():
        ses_backends[account][region].__dict__.update(members)
    offset: timedelta = held["offset"]
    WORLD.limits, WORLD.clock.offset = Limits(**held["limits"]), offset
    WORLD.beliefs = Beliefs(**held["beliefs"])
    WORLD.throttle.set(held["per_second"])
    WORLD.refused_recipients = held["refused_recipients"]
    site_url, key, WORLD.forward_from = held["receiver"]
    WORLD.receiver = (site_url, key)
    WORLD.sites = held["sites"]
    WORLD.mail = held.get("mail") or MailLog()
