"""The function's entry point. For each message: looks up its recipients, delivers to each endpoint, reports.

It raises if any part of the work failed. Then the same event comes again: first from Lambda itself, then from the retry
queue, and finally it goes to the dead-letter queue. Completed deliveries are marked and not repeated. The message
always stays in the bucket.
"""

import logging
import math
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from receiving import forwards, http_post, site, webhooks
from receiving.deployment import Client, Deployment, client_of, read_deployment
from receiving.events import Arrival, LookAgain, read_event
from receiving.markers import FOLDER, Markers
from receiving.messages import Letter
from receiving.site import Outcome, Route, SiteProblem

LINK_SECONDS = 12 * 60 * 60  # a link ends with the credentials of the function that signed it, if that is sooner
VIRUS = "SES found a virus. The message stays in the bucket."
UNREAD = "The stored message couldn't be read."
NO_FORWARDING = "This deployment doesn't forward mail. The message stays in the bucket."
NO_TIME = "Other deliveries of this message took too long. It is retried."
TO_REPORT = site.SECONDS + 5.0  # seconds that are kept for the report
_Aws = (BotoCoreError, ClientError)
log = logging.getLogger(__name__)


class Undelivered(Exception):
    """Some deliveries failed. `str()` names each message and endpoint."""


class NotStored(Exception):
    """The message isn't where the rules store it."""


def handler(event: Mapping[str, Any], context: Any) -> dict[str, str]:
    """Handle a Lambda event. Raises Undelivered."""

    def seconds_left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000

    return Receiver(read_deployment(os.environ, client_of), client_of, seconds_left).handle(event)


class Receiver:
    """The function of one deployment. `client` creates its boto3 clients; `seconds_left`: until Lambda ends it."""

    def __init__(
        self, deployment: Deployment, client: Client, seconds_left: Callable[[], float] = lambda: math.inf
    ) -> None:
        self._deployment, self._client, self._seconds_left = deployment, client, seconds_left
        self._markers = Markers(client("s3"), deployment.bucket)

    def handle(self, event: Mapping[str, Any]) -> dict[str, str]:
        """Handle one event. Raises Undelivered."""
        problems: list[str] = []
        for one in read_event(event):
            if isinstance(one, LookAgain):
                self._look_again()
            else:
                problems += self._receive(one)
        if problems:
            raise Undelivered("; ".join(problems))
        return {"disposition": "CONTINUE"}

    def _look_again(self) -> None:
        """Check waiting mail. The schedule retries: a failure keeps its note, is reported, and delays no other."""
        for arrival in self._markers.waiting():
            if self._is_late():
                log.warning("There was no time to check all waiting mail")
                return
            try:
                self._receive(arrival)
            except Exception:
                log.exception("%s waits, and its check failed", arrival.message_id)

    def _receive(self, arrival: Arrival) -> list[str]:
        try:
            routes = site.look_up(self._deployment, arrival.recipients, arrival.received_at)
        except SiteProblem as problem:
            return [f"{arrival.message_id}: {problem}"]
        mail = _Mail(arrival, routes, self._client, self._deployment.bucket)
        return self._report_outcomes(mail, self._outcomes(mail))

    def _outcomes(self, mail: "_Mail") -> list[Outcome]:
        """Return all outcomes. Whatever goes wrong for one endpoint or recipient fails that one alone.

        A virus comes first: no failure may hide it, because Inbound Admin knows of it by this report alone.
        """
        if mail.arrival.has_virus and not self._deployment.delivers_viruses:
            return [Outcome("held", (each["recipient"],), _endpoint_id(each), VIRUS) for each in mail.routes]
        found: list[Outcome] = []
        for endpoint, recipients in mail.by_endpoint():
            deliver = partial(self._to_endpoint, mail, endpoint, recipients)
            found += _or_failed(deliver, recipients, str(endpoint["id"]))
        for route in mail.routes:
            if route["endpoint"] is None:
                found += _or_failed(partial(self._without_endpoint, mail, route), (route["recipient"],))
        return found

    def _without_endpoint(self, mail: "_Mail", route: Route) -> list[Outcome]:
        recipient = route["recipient"]
        if refusal := route.get("refusal"):
            return [Outcome("failed", (recipient,), problem=str(refusal))]
        if done := self._markers.delivered_to(mail.arrival, recipient):
            return [Outcome("delivered", (recipient,), done, is_repeat=True)]
        if waits := bool(route["awaitsConfirmation"]):
            self._markers.note_waiting(mail.arrival, recipient)
        return [Outcome("waiting" if waits else "unrouted", (recipient,))]

    def _to_endpoint(self, mail: "_Mail", endpoint: Mapping[str, Any], recipients: Sequence[str]) -> list[Outcome]:
        """Deliver to one endpoint what none accepted before. A failure doesn't affect the others."""
        arrival, name = mail.arrival, str(endpoint["id"])
        done = {each: self._markers.delivered_to(arrival, each, name) for each in recipients}
        found = [Outcome("delivered", (each,), to, is_repeat=True) for each, to in done.items() if to]
        left = [each for each, to in done.items() if not to and self._is_ours(mail, each)]
        deliver = self._to_webhook if endpoint["type"] == "webhook" else self._forward
        for some in webhooks.calls_for(endpoint, left) if left else ():
            if self._is_late():
                found.append(Outcome("failed", some, problem=NO_TIME))
                continue
            found += _or_failed(
                partial(self._delivered, partial(deliver, mail, endpoint, some), arrival, some, name), some, name
            )
        return found

    def _is_late(self) -> bool:
        return self._seconds_left() < self._deployment.webhook_seconds + TO_REPORT

    def _is_ours(self, mail: "_Mail", recipient: str) -> bool:
        """Return False if the event of another rule delivers the message to this recipient."""
        arrival = mail.arrival
        is_claimable = arrival.event and not arrival.is_again and mail.has_shared_name(recipient)
        return not is_claimable or self._markers.claim(arrival, recipient)

    def _delivered(
        self, deliver: Callable[[], None], arrival: Arrival, recipients: tuple[str, ...], endpoint_id: str
    ) -> list[Outcome]:
        try:
            deliver()
            for recipient in recipients:
                self._markers.mark_delivered(arrival, recipient, endpoint_id)
                self._markers.forget_waiting(arrival, recipient)
        except forwards.NotForwarded as problem:
            return [Outcome("held", recipients, endpoint_id, str(problem))]
        return [Outcome("delivered", recipients, endpoint_id)]

    def _to_webhook(self, mail: "_Mail", endpoint: Mapping[str, Any], recipients: Sequence[str]) -> None:
        now, arrival = datetime.now(UTC), mail.arrival
        body = webhooks.body(arrival, mail.letter, endpoint, recipients, mail.links, now.isoformat(timespec="seconds"))
        headers = webhooks.headers(arrival, endpoint, recipients, body, int(now.timestamp()))
        most, deployment = self._deployment.webhook_seconds, self._deployment
        seconds = min(float(endpoint["config"].get("timeout") or most * 1000) / 1000, most)
        url, name = str(endpoint["config"]["url"]), str(endpoint["id"])
        if name in mail.silent:
            raise http_post.NoReply(mail.silent[name])
        try:
            answer = http_post.post(url, body, headers, seconds=seconds, may_be_private=deployment.may_be_private)
        except http_post.TimedOut as problem:
            mail.silent[name] = str(problem)
            raise
        if not answer.is_taken:
            raise http_post.NoReply(f"The webhook answered {answer.status}. {answer.excerpt}".strip())

    def _forward(self, mail: "_Mail", endpoint: Mapping[str, Any], recipients: Sequence[str]) -> None:
        if not self._deployment.forward_from:
            raise forwards.NotForwarded(NO_FORWARDING)
        forwards.require_sender(self._deployment.forward_from)
        config = endpoint["config"]
        to = list(config.get("emails") or [config["forwardTo"]])
        for recipient in recipients:
            forwards.refuse_loop(mail.letter, recipient, to)
            raw = forwards.rewritten(mail.arrival, mail.letter, recipient, self._deployment.forward_from)
            try:
                self._send(raw, to)
            except ClientError as refusal:
                if not forwards.is_of_message(refusal, to):
                    raise
                self._send_again(forwards.with_own_recipient(raw, recipient), to)

    def _send_again(self, raw: bytes, to: Sequence[str]) -> None:
        """Raises NotForwarded if SES refuses the message again: the endpoint isn't to blame for it."""
        try:
            self._send(raw, to)
        except ClientError as refusal:
            if not forwards.is_of_message(refusal, to):
                raise
            why = refusal.response.get("Error", {}).get("Message", "")
            raise forwards.NotForwarded(f"SES refuses to send this message: {why} It stays in the bucket.") from refusal

    def _send(self, raw: bytes, to: Sequence[str]) -> None:
        """Raises NotSent, and ClientError if SES refuses this message or a recipient."""
        sender = self._deployment.forward_from
        try:
            self._client("ses").send_raw_email(Source=sender, Destinations=list(to), RawMessage={"Data": raw})
        except BotoCoreError as problem:
            raise forwards.NotSent(str(problem)) from problem
        except ClientError as refusal:
            if forwards.is_of_message(refusal, to) or forwards.is_of_recipient(refusal, to):
                raise
            raise forwards.NotSent(str(refusal)) from refusal

    def _report_outcomes(self, mail: "_Mail", outcomes: Sequence[Outcome]) -> list[str]:
        """Report outcomes. If that fails, the event fails: marked deliveries aren't repeated, only reported again."""
        problems = [
            f"{mail.arrival.message_id} to {one.endpoint_id or 'its endpoints'}: {one.storage_problem or one.problem}"
            for one in outcomes
            if one.outcome == "failed"
        ]
        try:
            site.report(self._deployment, [mail.reported(one) for one in outcomes])
        except SiteProblem as problem:
            problems.append(f"{mail.arrival.message_id}: {problem}")
        for each in problems:
            log.error("%s", each)
        return problems


def _endpoint_id(route: Route) -> str:
    return str(route["endpoint"]["id"]) if route["endpoint"] is not None else ""


def _or_failed(act: Callable[[], list[Outcome]], recipients: Sequence[str], endpoint_id: str = "") -> list[Outcome]:
    """Return what became of it. Any exception is a failed delivery to these recipients, and no other's business."""
    try:
        return act()
    except forwards.NotSent as problem:
        return [Outcome("failed", tuple(recipients), problem=str(problem))]
    except (http_post.NoReply, webhooks.BadSecret, NotStored, *_Aws) as problem:
        if _is_of_storage(problem):
            return [Outcome("failed", tuple(recipients), problem=UNREAD, storage_problem=str(problem))]
        return [Outcome("failed", tuple(recipients), endpoint_id, str(problem))]
    except Exception as problem:
        log.exception("delivery to %s failed", endpoint_id or "no endpoint")
        sentence = f"The delivery failed unexpectedly: {type(problem).__name__}: {problem}"
        return [Outcome("failed", tuple(recipients), endpoint_id, sentence)]


def _is_of_storage(problem: Exception) -> bool:
    """Return whether S3 failed, for which the endpoint isn't to blame. SES refuses a recipient with a ClientError."""
    if isinstance(problem, ClientError):
        return problem.operation_name != "SendRawEmail"
    return isinstance(problem, (NotStored, BotoCoreError))


class _Mail:
    """A message with its routes. It is fetched once, when an endpoint needs it.

    `silent`: endpoints (IDs) that didn't respond in time, and why: they are called again at the next attempt.
    """

    def __init__(self, arrival: Arrival, routes: Sequence[Route], client: Client, bucket: str) -> None:
        self.arrival, self.routes = arrival, routes
        self._s3, self._bucket = client("s3"), bucket
        self._letter: Letter | None = None
        self._place: tuple[str, str] | None = arrival.stored
        self._links: webhooks.Links | None = None
        self.silent: dict[str, str] = {}

    def by_endpoint(self) -> list[tuple[Mapping[str, Any], list[str]]]:
        """Return the recipients of each endpoint, in another order each time: one attempt may have no time for all."""
        found: dict[str, tuple[Mapping[str, Any], list[str]]] = {}
        for route in self.routes:
            if route["endpoint"] is not None:
                found.setdefault(route["endpoint"]["id"], (route["endpoint"], []))[1].append(route["recipient"])
        return secrets.SystemRandom().sample(list(found.values()), len(found))

    def has_shared_name(self, recipient: str) -> bool:
        """Return whether two rules may bring the message: another customer may have a subdomain catch-all above."""
        return any(route["recipient"] == recipient and route.get("sharedName") for route in self.routes)

    @property
    def letter(self) -> Letter:
        """Return the message. Raises NotStored."""
        if self._letter is None:
            self._letter = Letter(self._fetched())
        return self._letter

    @property
    def links(self) -> webhooks.Links:
        """Return links to the message and its attachments, which are stored next to it."""
        if self._links is None:
            bucket, key = self._place or (self._bucket, self.arrival.message_id)
            attached = enumerate(self.letter.attachments)
            places = [self._attached(number, each.filename, each.content) for number, each in attached]
            self._links = webhooks.Links(
                self._link(bucket, key), tuple(self._link(self._bucket, key) for key in places)
            )
        return self._links

    def reported(self, outcome: Outcome) -> dict[str, Any]:
        """Return the report for Inbound Admin, without content.

        A message that a person requests again may have been deleted by then: no problem of the storage.
        """
        storage = (
            {}
            if self.arrival.is_again or not outcome.storage_problem
            else {"storageProblem": http_post.printable(outcome.storage_problem)[:1000]}
        )
        return storage | {
            "messageId": self.arrival.message_id,
            "receivedAt": self.arrival.received_at,
            "recipients": list(outcome.recipients),
            "endpointId": outcome.endpoint_id or None,
            "outcome": outcome.outcome,
            "problem": http_post.printable(outcome.problem)[:1000],
            "bytes": len(self._letter.raw) if self._letter and not outcome.is_repeat else None,
            "at": datetime.now(UTC).isoformat(),
            "probe": self.arrival.probe,
        }

    def _fetched(self) -> bytes:
        """Read it from the place in the event, else from wherever the rules store mail of these recipients.

        A place that can't be read hides no other: the message may be there, or at the next.
        """
        refused: ClientError | None = None
        for bucket, key in self._places():
            try:
                found: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            except ClientError as error:
                is_missing = error.response.get("Error", {}).get("Code") == "NoSuchKey"
                refused = refused or (None if is_missing else error)
                continue
            self._place = (bucket, key)
            return found
        if refused is not None:
            raise refused
        looked = ", ".join(f"{bucket}/{key}" for bucket, key in self._places())
        raise NotStored(f"The message isn't in the bucket: {looked}")

    def _places(self) -> list[tuple[str, str]]:
        if self._place:
            return [self._place]
        stores = [store for route in self.routes for store in route.get("stores", ())]
        found = [(store["bucket"], f"{store['prefix']}{self.arrival.message_id}") for store in stores]
        return list(dict.fromkeys(found)) or [(self._bucket, self.arrival.message_id)]

    def _attached(self, number: int, filename: str, content: bytes) -> str:
        key = f"{FOLDER}attachments/{self.arrival.message_id}/{number}/{filename}"
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=content, ContentDisposition="attachment")
        return key

    def _link(self, bucket: str, key: str) -> str:
        where = {"Bucket": bucket, "Key": key, "ResponseContentDisposition": "attachment"}
        return str(self._s3.generate_presigned_url("get_object", Params=where, ExpiresIn=LINK_SECONDS))
