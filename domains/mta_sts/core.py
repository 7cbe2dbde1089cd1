"""Parses the MTA-STS policy that a domain serves over HTTPS, and says how it affects mail for us. Pure.

See RFC 8461, sections 3.2, 3.3 and 5.1. Senders that cannot fetch a valid policy ignore it. An enforced policy that
does not name our host stops mail, also that of senders that stored it, until its `max_age` is over or they replace it.
They fetch a policy again if the id in the TXT record changes, so neither a removed record nor a removed policy ends it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from inbound_admin.lib.foreign_text import escaped
from inbound_admin.lib.moments import minute_in_utc

MOST_BYTES = 64_000  # RFC 8461, 3.3: senders may refuse what is longer
LONGEST_AGE = 31_557_600  # a year, in seconds
POLICY_PATH = "/.well-known/mta-sts.txt"
_VERSION = "STSv1"
_MODES = ("enforce", "testing", "none")


class PolicyEffect(StrEnum):
    """The effect of the last fetched policy; NOT_FETCHED until a fetch succeeds."""

    NOT_FETCHED = ""
    ENFORCED = "enforced"
    TESTING = "testing"
    OFF = "off"
    IGNORED = "ignored"
    LOSES_MAIL = "loses_mail"


@dataclass(frozen=True)
class StsPolicy:
    """`mx` are host names; "*." stands for one label."""

    mode: str
    mx: tuple[str, ...]
    max_age: int


@dataclass(frozen=True)
class Fetched:
    """The HTTP response of a policy's host."""

    status: int
    content_type: str
    body: bytes
    is_whole: bool


@dataclass(frozen=True)
class PolicyCheck:
    """`sentence`: what the effect means and what to do. `problem`: why the last fetch failed, which keeps the rest."""

    effect: PolicyEffect = PolicyEffect.NOT_FETCHED
    sentence: str = ""
    mode: str = ""
    mx: tuple[str, ...] = ()
    max_age: int | None = None
    problem: str = ""

    @property
    def is_good(self) -> bool:
        """Return True if it tells senders to use TLS to us, or is about to."""
        return self.effect in (PolicyEffect.ENFORCED, PolicyEffect.TESTING)

    @property
    def loses_mail(self) -> bool:
        return self.effect is PolicyEffect.LOSES_MAIL

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "mx": list(self.mx)}

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> "PolicyCheck":
        if not stored:
            return cls()
        return cls(**{**stored, "effect": PolicyEffect(stored["effect"]), "mx": tuple(stored["mx"])})


@dataclass(frozen=True)
class Block:
    """Why senders that follow MTA-STS don't deliver here, and the step that ends it.

    `until`: when the last of them drops the policy, which has this id.
    """

    why: str
    step: str
    until: datetime
    policy_id: str

    @property
    def sentence(self) -> str:
        return f"{self.why} {self.step}"

    def as_json(self) -> dict[str, str]:
        return {**asdict(self), "until": self.until.isoformat()}

    @classmethod
    def of_json(cls, stored: Mapping[str, str]) -> "Block":
        return cls(stored["why"], stored["step"], datetime.fromisoformat(stored["until"]), stored["policy_id"])


def policy_host(name: str) -> str:
    return f"mta-sts.{name}"


def policy_url(name: str) -> str:
    """Return the URL where senders fetch the policy of a domain."""
    return f"https://{policy_host(name)}{POLICY_PATH}"


def read_policy(text: str) -> StsPolicy:
    """Parse a policy. Raises ValueError with a sentence. If a key is repeated, the first one counts, as for senders."""
    pairs = [_pair(line) for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    values: dict[str, str] = {}
    for key, value in pairs:
        values.setdefault(key, value)
    if values.get("version") != _VERSION:
        raise ValueError(f"It has no line “version: {_VERSION}”.")
    if values.get("mode") not in _MODES:
        raise ValueError(f"Its mode is none of {', '.join(_MODES)}.")
    age = values.get("max_age", "")
    if not (age.isascii() and age.isdecimal() and int(age) <= LONGEST_AGE):
        raise ValueError(f"Its max_age is no number of seconds up to {LONGEST_AGE:,}.")
    mx = tuple(value.lower().rstrip(".") for key, value in pairs if key == "mx")
    if not mx and values["mode"] != "none":
        raise ValueError("It has no line “mx:”.")
    return StsPolicy(values["mode"], mx, int(age))


def _pair(line: str) -> tuple[str, str]:
    key, colon, value = line.partition(":")
    if not colon or not key.strip():
        raise ValueError(f"The line “{line.strip()[:60]}” has no colon.")
    return key.strip(), value.strip()


def allows_host(policy: StsPolicy, host: str) -> bool:
    """Return True if the policy allows the host: "*." stands for exactly one label (RFC 8461, 4.1)."""
    _, _, rest = host.partition(".")
    return any(pattern == host or (pattern.startswith("*.") and pattern[2:] == rest) for pattern in policy.mx)


def judge(name: str, host: str, fetched: Fetched) -> PolicyCheck:
    """Judge the response of the policy's host. `host` is where mail for the name should go."""
    url = policy_url(name)
    if reason := _refusal(fetched):
        return ignored_policy(f"{url} {reason}")
    try:
        policy = read_policy(escaped(fetched.body.decode("utf-8")))
    except UnicodeDecodeError:
        return ignored_policy(f"{url} holds no text.")
    except ValueError as error:
        return ignored_policy(f"{url} is no valid policy. {error}")
    effect, sentence = _effect(policy, host)
    return PolicyCheck(effect, sentence, policy.mode, policy.mx, policy.max_age)


def ignored_policy(sentence: str) -> PolicyCheck:
    """Return the check of a policy that senders ignore, because they see the same problem."""
    return PolicyCheck(PolicyEffect.IGNORED, f"{sentence} Senders ignore MTA-STS until this is corrected.")


def with_problem(known: PolicyCheck, why: str) -> PolicyCheck:
    """Return the known check with a problem: a failed fetch says nothing about the policy."""
    return replace(known, problem=why)


_TAG = re.compile(r"(?:^|;)\s*id\s*=\s*([A-Za-z0-9]{1,32})\s*(?:;|$)")
_LISTS_OTHERS = "Senders that follow MTA-STS don't deliver mail for {name}: its policy doesn't list {host}."
_ADD = "Add the line “mx: {host}” to the policy, then change the id in the TXT record {record}."
_STORED = "Some senders don't deliver mail for {name} until {until}: they keep an MTA-STS policy without {host}."
_NEW_ID = "Change the id in the TXT record {record}: then they read the policy again."
_ANNOUNCE = "Publish the TXT record {record} with a new id, and a policy that lists {host} or has the mode “none”."
_SERVE = "Serve a policy that lists {host} or has the mode “none”, then change the id in the TXT record {record}."


def id_of(texts: Iterable[str]) -> str:
    """Return the id in the TXT record that announces a policy, "" if it has none."""
    return next((found[1] for text in texts if (found := _TAG.search(text))), "")


def block_after(
    check: PolicyCheck | None,
    before: PolicyCheck,
    known: Block | None,
    *,
    name: str,
    host: str,
    policy_id: str,
    now: datetime,
) -> Block | None:
    """Return whether senders refuse to deliver here, after a fetch that succeeded.

    `check` is None if no policy is announced. `before` and `known` were stored before. `policy_id` is that of the TXT
    record. A sender may have stored a policy at any moment until we see that it is gone.
    """
    words = {"name": name, "host": host, "record": f"_mta-sts.{name}"}
    if check is not None and check.loses_mail:
        until = now + timedelta(seconds=check.max_age or 0)
        return Block(_LISTS_OTHERS.format(**words), _ADD.format(**words), until, policy_id)
    if known is not None and before.loses_mail:
        known = replace(known, until=now + timedelta(seconds=before.max_age or 0))
    is_valid = check is not None and bool(check.mode)
    if known is None or known.until <= now or (is_valid and policy_id != known.policy_id):
        return None
    why = _STORED.format(**words, until=minute_in_utc(known.until))
    step = _NEW_ID if is_valid else _ANNOUNCE if check is None else _SERVE
    return replace(known, why=why, step=step.format(**words))


def _refusal(fetched: Fetched) -> str:
    kind = fetched.content_type.partition(";")[0].strip().lower()
    if fetched.status != 200:
        moved = ", and senders follow no redirect" if 300 <= fetched.status < 400 else ""
        return f"answers {fetched.status}{moved}."
    if len(fetched.body) >= MOST_BYTES:
        return f"is longer than {MOST_BYTES:,} bytes."
    if kind != "text/plain":
        return f"is served as {kind[:60] or 'nothing that is named'}. It must be text/plain."
    return ""


def _effect(policy: StsPolicy, host: str) -> tuple[PolicyEffect, str]:
    if policy.mode == "none":
        return PolicyEffect.OFF, "The policy's mode is “none”, so it asks nothing of senders."
    line = f"Add the line “mx: {host}” to the policy, then change the id in the TXT record."
    if not allows_host(policy, host) and policy.mode == "enforce":
        sentence = f"The policy is in force and does not name {host}. Senders that follow it do not deliver mail there."
        return PolicyEffect.LOSES_MAIL, f"{sentence} {line}"
    if not allows_host(policy, host):
        sentence = f"The policy does not name {host}. Once its mode is “enforce”, mail does not arrive."
        return PolicyEffect.IGNORED, f"{sentence} {line}"
    if policy.mode == "testing":
        sentence = "The policy is served and names our host. Its mode is “testing”: it changes no delivery."
        return PolicyEffect.TESTING, f"{sentence} Set “enforce” once senders report no failures."
    return PolicyEffect.ENFORCED, "The policy is served, names our host and is in force: senders use TLS."
