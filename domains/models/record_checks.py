"""The result of the last check of each record, and of the last lookup that succeeded."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from domains.checking.core.judgement import State
from domains.dns.core import LookupStatus
from domains.models.domains import STATES, Domain
from domains.records.core import RecordAction, action_of
from inbound_admin.lib.moments import minute_in_utc

PUBLISHED = (State.VERIFIED, State.SPREADING)
NAMED_TYPE_CODES = ("dns.value.wrong_type", "dns.rival.other_type")
OTHER_TYPES = {"dns.rival.cname": "CNAME", "dns.value.pasted_key": "TXT", "dns.value.flattened": "TXT"}


@dataclass(frozen=True)
class KnownResult:
    """What the last successful lookup of a record found, and when."""

    state: State
    found: tuple[str, ...]
    code: str
    sentence: str
    at: datetime

    @property
    def is_published(self) -> bool:
        return self.state in PUBLISHED

    @property
    def is_correct(self) -> bool:
        return self.state is State.VERIFIED

    @property
    def action(self) -> RecordAction:
        return action_of(self.code, self.found)

    @property
    def existing(self) -> tuple[str, ...]:
        """Return what is published and must be replaced: ours isn't to be added beside it.

        Where nameservers disagree, what was found is our own value.
        """
        if self.is_published or self.action is RecordAction.ADD or self.code == "dns.server.disagree":
            return ()
        return self.found

    def existing_of(self, own_type: str) -> tuple[tuple[str, str], ...]:
        """Return the type and value of each existing record; `own_type` is that of the record that replaces them."""
        if self.code in NAMED_TYPE_CODES:  # such a value begins with its type
            return tuple((kind, value) for kind, _, value in (each.partition(" ") for each in self.existing))
        kind = OTHER_TYPES.get(self.code, own_type)
        if self.code == "dns.rival.cname" and own_type == "CNAME":
            kind = "TXT"  # the conflict that is looked for beside our own CNAME
        return tuple((kind, value) for value in self.existing)

    @property
    def words(self) -> str:
        """Return the result for a record whose latest lookup failed."""
        moment = minute_in_utc(self.at)
        if self.is_published:
            return f"It was last found on {moment}."
        return f"The last successful check, on {moment}, found: {self.sentence}"


class RecordCheck(models.Model):
    """The result of the last check of one record. `verified_at` survives later failures, also when the record is lost.

    `last_known` is the last successful result while lookups fail, null otherwise. Read it by `known`. `conflict` is
    what nameservers show against a correct record (`domains.conflicts.core`).
    """

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="record_checks")
    key = models.CharField(max_length=270)
    state = models.CharField(max_length=20, choices=STATES)
    found = models.JSONField(default=list)
    code = models.CharField(max_length=60, blank=True)
    sentence = models.TextField(blank=True)
    checked_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True)
    last_known = models.JSONField(null=True, blank=True)
    conflict = models.JSONField(null=True, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("domain", "key"), name="record_check_once"),)

    def __str__(self) -> str:
        return f"{self.domain_id} {self.key}: {self.state}"

    @property
    def known(self) -> KnownResult | None:
        """Return the last successful result: of this check, or of an earlier one if its lookup failed. None: never."""
        if self.state == State.NOT_CHECKED:
            return None
        if self.state != State.COULD_NOT_CHECK:
            return KnownResult(State(self.state), tuple(self.found), self.code, self.sentence, self.checked_at)
        kept = self.last_known
        if not kept:
            return None
        at = datetime.fromisoformat(kept["at"])
        return KnownResult(State(kept["state"]), tuple(kept["found"]), kept["code"], kept["sentence"], at)

    def known_after(self, state: str) -> dict[str, Any] | None:
        """Return the `last_known` to store with the state of the next check."""
        if state != State.COULD_NOT_CHECK or (known := self.known) is None:
            return None
        words = {"code": known.code, "sentence": known.sentence}
        return {"state": known.state.value, "found": list(known.found), "at": known.at.isoformat(), **words}

    @property
    def is_correct(self) -> bool:
        """Return True if the record was correct in the last lookup that succeeded."""
        return self.known is not None and self.known.is_correct

    @property
    def reason(self) -> str:
        """Return the sentence. After a failed lookup it also says what was found last, and when."""
        if self.state != State.COULD_NOT_CHECK or (known := self.known) is None:
            return self.sentence
        return f"{self.sentence} {known.words}"


# A page's request for a diagnosis. The worker runs it, and the cache has the result.


class DiagnosisRequest(models.Model):
    """One per domain. `problem` says why the last one failed; "" if it succeeded."""

    domain = models.OneToOneField(
        "domains.Domain", primary_key=True, on_delete=models.CASCADE, related_name="diagnosis_request"
    )
    asked_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("asked_at",)

    def __str__(self) -> str:
        return f"{self.domain_id} {self.asked_at:%H:%M:%S}"


# DNS answers over time: one row per change of an answer, not per check.


TOLD = [(status.value, status.value) for status in (LookupStatus.FOUND, LookupStatus.NO_NAME, LookupStatus.NO_DATA)]


class ObservedAnswer(models.Model):
    """An answer since `since`. It is current while `until` is empty. Otherwise `last_seen` is the last check that still
    had it, so the change happened between the two. Failed lookups have no row.
    """

    domain = models.ForeignKey("domains.Domain", on_delete=models.CASCADE, related_name="observed_answers")
    name = models.CharField(max_length=253)
    type = models.CharField(max_length=10)
    resolver = models.CharField(max_length=100, help_text="The resolver that answered.")
    status = models.CharField(max_length=10, choices=TOLD)
    values = ArrayField(models.TextField(), default=list)
    ttl = models.PositiveBigIntegerField(null=True, help_text="In seconds, at the first answer.")
    serial = models.PositiveBigIntegerField(null=True, help_text="SOA serial at the first answer.")
    since = models.DateTimeField()
    last_seen = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)

    class Meta:
        ordering = ("since", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("domain", "name", "type", "resolver"), condition=Q(until=None), name="one_answer_stands"
            ),
        )
        indexes = (models.Index(fields=("until",), name="observed_answer_over"),)

    def __str__(self) -> str:
        return f"{self.name} {self.type} by {self.resolver} since {self.since:%Y-%m-%d %H:%M}"
