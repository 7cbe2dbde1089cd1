"""The old system's rows, made ready: whose each is, what it is called, what it says; nothing here reads rows or Amazon.

The old ids count inside one document alone. Ours are found by what people know: a person by the e-mail address, an
endpoint by its name, a domain and an address by itself. So a document can be moved in again, and another one after it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

Sections = Mapping[str, Sequence[Mapping[str, Any]]]


class Kind(StrEnum):
    """In the order in which they are stored: each needs those before it."""

    PERSON = "person"
    ENDPOINT = "endpoint"
    DOMAIN = "domain"
    CATCH_ALL = "catch_all"
    ADDRESS = "address"
    RECORD = "record"

    @property
    def words(self) -> str:
        return {"person": "Person", "catch_all": "Catch-all", "record": "DNS record"}.get(self, self.capitalize())


class Fate(StrEnum):
    """CLAIM: Amazon has no such identity, so that the domain waits for a proof. UNNEEDED: it follows from others."""

    NEW = "new"
    CLAIM = "claim"
    SAME = "same"
    CHANGES = "changes"
    UNNEEDED = "unneeded"
    REFUSED = "refused"
    FAILED = "failed"

    @property
    def words(self) -> str:
        return {
            "new": "New",
            "claim": "To be proven",
            "same": "There already",
            "changes": "Changes",
            "unneeded": "Not needed",
            "refused": "Refused",
            "failed": "Stopped by a problem",
        }[self]


@dataclass(frozen=True)
class Given:
    """`owner` is the e-mail address of whose it is; `why_not` says why it cannot be taken as it stands."""

    kind: Kind
    owner: str
    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    why_not: str = ""


def made_ready(sections: Sections) -> tuple[Given, ...]:
    """Sections: users, domains, dnsRecords, endpoints, webhooks, emailAddresses; fields as the JSON API has them."""
    return tuple(_Reader(sections).read())


class _Reader:
    def __init__(self, sections: Sections) -> None:
        self.sections = sections
        self.people = {text_of(row, "id"): text_of(row, "email").lower() for row in self._rows("users")}
        self.domains = {text_of(row, "id"): row for row in self._rows("domains")}
        self.endpoints = dict(self._endpoints())
        self.names = {old_id: given.name for old_id, given in self.endpoints.items()}

    def read(self) -> Iterator[Given]:
        yield from map(self._person, self._rows("users"))
        yield from self.endpoints.values()
        for row in self._rows("domains"):
            yield self._domain(row)
            if flag_of(row, "isCatchAllEnabled") is not None:
                yield self._catch_all(row)
        yield from map(self._address, self._rows("emailAddresses"))
        yield from map(self._record, self._rows("dnsRecords"))

    def _rows(self, section: str) -> Sequence[Mapping[str, Any]]:
        return self.sections.get(section, ())

    def _person(self, row: Mapping[str, Any]) -> Given:
        email = text_of(row, "email").lower()
        return Given(Kind.PERSON, email, email or text_of(row, "id"), {"name": text_of(row, "name")})

    def _owned(
        self, kind: Kind, row: Mapping[str, Any], user_id: str, name: str, values: Mapping[str, Any], why_not: str = ""
    ) -> Given:
        owner = self.people.get(user_id, "")
        why_not = why_not or unclear(row)
        stranger = f"Whose it is cannot be told: there is no user {user_id or 'named'} with an e-mail address."
        return Given(kind, owner, name, values, why_not or ("" if owner else stranger))

    def _endpoints(self) -> Iterator[tuple[str, Given]]:
        """Two of one owner with one name, which we do not have: the second gets a number, the same one each time."""
        taken: set[tuple[str, str]] = set()
        hooks = [{**row, "type": "webhook", "config": _hook(row)} for row in self._rows("webhooks")]
        for row in sorted([*self._rows("endpoints"), *hooks], key=lambda row: text_of(row, "id")):
            owner, name = text_of(row, "userId"), text_of(row, "name")
            free = next(each for each in _numbered(name) if (owner, each.casefold()) not in taken)
            taken.add((owner, free.casefold()))
            kind, active = text_of(row, "type"), flag_of(row, "isActive")
            config = row.get("config")
            values = {
                "type": kind,
                "config": our_config(kind, config) if isinstance(config, Mapping) else {},
                "is_active": active is not False,
                "description": text_of(row, "description"),
            }
            yield text_of(row, "id"), self._owned(Kind.ENDPOINT, row, owner, free, values)

    def _domain(self, row: Mapping[str, Any]) -> Given:
        values = {
            "mail_from": text_of(row, "mailFromDomain").lower(),
            "receives": flag_of(row, "canReceiveEmails"),
            "reports": flag_of(row, "receiveDmarcEmails") is True,
        }
        return self._owned(Kind.DOMAIN, row, text_of(row, "userId"), text_of(row, "domain"), values)

    def _catch_all(self, row: Mapping[str, Any]) -> Given:
        endpoint, why_not = self._endpoint(text_of(row, "catchAllEndpointId") or text_of(row, "catchAllWebhookId"))
        values = {"endpoint": endpoint, "is_active": flag_of(row, "isCatchAllEnabled") is True}
        return self._owned(Kind.CATCH_ALL, row, text_of(row, "userId"), text_of(row, "domain"), values, why_not)

    def _address(self, row: Mapping[str, Any]) -> Given:
        endpoint, why_not = self._endpoint(text_of(row, "endpointId") or text_of(row, "webhookId"))
        domain = self.domains.get(text_of(row, "domainId"), {})
        user_id = text_of(row, "userId") or text_of(domain, "userId")
        values = {"endpoint": endpoint, "is_active": flag_of(row, "isActive") is not False}
        return self._owned(Kind.ADDRESS, row, user_id, text_of(row, "address"), values, why_not)

    def _record(self, row: Mapping[str, Any]) -> Given:
        domain = self.domains.get(text_of(row, "domainId"), {})
        values = {
            "domain": text_of(domain, "domain"),
            "type": text_of(row, "recordType") or text_of(row, "type"),
            "value": text_of(row, "value"),
        }
        why_not = "" if domain else f"There is no domain {text_of(row, 'domainId') or 'named'} for it."
        return self._owned(Kind.RECORD, row, text_of(domain, "userId"), text_of(row, "name"), values, why_not)

    def _endpoint(self, old_id: str) -> tuple[str, str]:
        """Its name, and why there is none."""
        if not old_id or old_id in self.names:
            return self.names.get(old_id, ""), ""
        return "", f"Its endpoint {old_id} is not among those given: its mail would go nowhere."


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name[:112]} ({number})" for number in range(2, 100_000))


def _hook(row: Mapping[str, Any]) -> dict[str, Any]:
    """The older webhooks have their settings beside their name."""
    given = {name: row.get(name) for name in ("url", "timeout", "retryAttempts", "headers")}
    return {name: value for name, value in given.items() if value not in (None, "")}


_OURS = {
    "forwardTo": "address",
    "email": "address",
    "emails": "addresses",
    "retryAttempts": "retry_attempts",
    "verificationToken": "verification_token",
}


def our_config(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """An endpoint's configuration under our own names; what its type does not know is left out later."""
    return {_OURS.get(name, name): value for name, value in config.items() if kind != "webhook" or name != "email"}


def once_each(rows: Iterable[Given]) -> tuple[Given, ...]:
    """The second of two that are one and the same to us is refused, whoever has it; a person may be named twice."""
    seen: set[tuple[Kind, str]] = set()
    found = []
    for given in rows:
        key = (given.kind, given.name.casefold())
        is_second = given.kind in (Kind.DOMAIN, Kind.CATCH_ALL, Kind.ADDRESS) and key in seen
        seen.add(key)
        found.append(replace(given, why_not=given.why_not or "It is given twice.") if is_second else given)
    return tuple(found)


def text_of(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()


_SAID = {True: ("true", "t", "1", "yes", "y"), False: ("false", "f", "0", "no", "n")}


FLAGS = ("isActive", "isCatchAllEnabled", "canReceiveEmails", "receiveDmarcEmails")


def unclear(row: Mapping[str, Any]) -> str:
    """A sentence where a flag is said in words that we do not know."""
    for name in FLAGS:
        if text_of(row, name) and flag_of(row, name) is None:
            return f"“{text_of(row, name)[:40]}” under {name} is neither true nor false."
    return ""


def flag_of(row: Mapping[str, Any], name: str) -> bool | None:
    """A CSV file says it in words; None: nothing is said, or nothing that we know (see `unclear`)."""
    text = text_of(row, name).lower()
    return next((flag for flag, words in _SAID.items() if text in words), None)
