"""Markers of completed deliveries, as objects in the bucket that every copy of the function sees.

A marker is written after an endpoint has accepted a message for a recipient, and names the endpoint: the recipient may
have another at the next attempt. Whatever fails in between, mail is rather
sent twice than lost. A note says that a recipient's mail waits for a confirmation. A claim says which of two events
delivers a message to a recipient. The bucket's lifecycle deletes them with their message.
"""

import hashlib
import json
import logging
import secrets
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from botocore.exceptions import ClientError

from receiving.events import Arrival

FOLDER = ".inbound-admin/"
_MISSING = ("404", "NoSuchKey", "NotFound")
_TAKEN = ("412", "PreconditionFailed")
log = logging.getLogger(__name__)


class Markers:
    """The markers of one bucket. Needs s3:ListBucket: without it S3 answers "denied" for a missing object."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def delivered_to(self, arrival: Arrival, recipient: str, endpoint_id: str = "") -> str:
        """Return the endpoint (ID) that accepted the message for this recipient; "" if none did.

        It may be another than the recipient's of now, `endpoint_id`. Of a redelivery only what the same request
        delivered counts. Raises S3's error for anything but "not found": unknown isn't "not delivered".
        """
        if arrival.is_again and not arrival.event:
            return ""
        found = self._read_if_any(_mark(arrival, recipient))
        if found is not None or arrival.is_again or not endpoint_id:
            return (found or b"").decode()
        former = self._read_if_any(_former_mark(arrival.message_id, recipient, endpoint_id))
        return "" if former is None else endpoint_id

    def mark_delivered(self, arrival: Arrival, recipient: str, endpoint_id: str) -> None:
        """Store which endpoint accepted it, also for a redelivery: of it, Lambda repeats the event as well.

        The mark of an older function is for a retry that it handles: while the function is updated, or set back.
        """
        keys = {_mark(replace(arrival, is_again=False), recipient), _mark(arrival, recipient)}
        for key in sorted(keys | {_former_mark(arrival.message_id, recipient, endpoint_id)}):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=endpoint_id.encode())

    def _read_if_any(self, key: str) -> bytes | None:
        """Return the object; None if there is none."""
        try:
            found: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _MISSING:
                raise
            return None
        return found

    def claim(self, arrival: Arrival, recipient: str) -> bool:
        """Return whether this event delivers the message to the recipient: the first that claims it, and its retries.

        Raises S3's error if that is unknown.
        """
        key, own = _claim(arrival.message_id, recipient), arrival.event.encode()
        if self._put_first(key, own):
            return True
        claimed_by: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return claimed_by == own

    def note_waiting(self, arrival: Arrival, recipient: str) -> None:
        """Store a note with everything that a later delivery needs. It is written once, so it ends with its message."""
        content = {**asdict(arrival), "recipients": [recipient]}
        self._put_first(_note(arrival.message_id, recipient), json.dumps(content).encode())

    def _put_first(self, key: str, content: bytes) -> bool:
        """Store the object unless it exists. Return whether it was stored."""
        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=content, IfNoneMatch="*")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _TAKEN:
                raise
            return False
        return True

    def forget_waiting(self, arrival: Arrival, recipient: str) -> None:
        """Delete the note. Safe to repeat."""
        self._s3.delete_object(Bucket=self._bucket, Key=_note(arrival.message_id, recipient))

    def waiting(self) -> Iterator[Arrival]:
        """Yield the arrival of each note, in another order each time: one check may have no time for all.

        One that can't be read is logged and delays no other.
        """
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{FOLDER}waiting/")
        keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
        for key in secrets.SystemRandom().sample(keys, len(keys)):
            try:
                arrival = self._noted(key)
            except (ClientError, LookupError, TypeError, ValueError) as error:
                log.error("The note %s can't be read: %r", key, error)
            else:
                yield arrival

    def _noted(self, key: str) -> Arrival:
        content = json.loads(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        stored = tuple(content["stored"] or ())
        content |= {"recipients": tuple(content["recipients"]), "stored": (stored[0], stored[1]) if stored else None}
        return Arrival(**content)


def _mark(arrival: Arrival, recipient: str) -> str:
    request = [arrival.event] if arrival.is_again and arrival.event else []
    return f"{FOLDER}delivered/{_name(arrival.message_id, recipient, *request)}"


def _former_mark(message_id: str, recipient: str, endpoint_id: str) -> str:
    """Return the mark of an older function, which has one for each endpoint: it may have begun the work, or end it."""
    return f"{FOLDER}delivered/{_name(message_id, recipient, endpoint_id)}"


def _claim(message_id: str, recipient: str) -> str:
    return f"{FOLDER}claimed/{_name(message_id, recipient)}"


def _name(*parts: str) -> str:
    name = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return f"{name[:2]}/{name}"


def _note(message_id: str, recipient: str) -> str:
    return f"{FOLDER}waiting/{hashlib.sha256(json.dumps([message_id, recipient]).encode()).hexdigest()}"
