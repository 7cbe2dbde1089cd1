"""The inbound SMTP server of SES: accepts mail for domains whose MX in the sandbox DNS points to SES."""

import asyncio
import logging
import re
import threading
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.aws import filters
from sandbox.aws.state import WORLD, RegionState
from sandbox.dns.resolve import resolve
from sandbox.dns.zones import ZoneStore
from sandbox.mail import rules
from sandbox.mail.log import MailEntry

LARGEST = 41_943_040  # bytes: the limit of SES is 40 MB
_INBOUND = re.compile(r"inbound-smtp\.([a-z0-9-]+)\.amazonaws\.com\.?")


class InboundHost:
    """Handler of aiosmtpd: each method answers one SMTP command."""

    def __init__(self, zones: ZoneStore) -> None:
        self._zones = zones

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refusal = await asyncio.to_thread(self._refusal, address, str((session.peer or ("",))[0]))
        if refusal:
            return f"550 5.1.1 {refusal}"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        return await asyncio.to_thread(self._receive, envelope)

    def region_of(self, address: str) -> str:
        """Return the region that the domain's MX points to, or "" if it doesn't point to SES."""
        domain = address.rpartition("@")[2].lower()
        found = resolve(self._zones, domain, "MX")
        hosts = [record.value.split()[-1].lower() for each in found.answer for record in each.records]
        regions = [match[1] for host in hosts if (match := _INBOUND.fullmatch(host))]
        return regions[0] if regions else ""

    def _refusal(self, address: str, sender_ip: str) -> str:
        domain = address.rpartition("@")[2]
        region = self.region_of(address)
        if not region:
            return self._refused(address, f"The MX record of {domain} doesn't point to SES.")
        with WORLD.lock:
            state = rules.region_named(region)
            if state is not None and filters.blocks(state, sender_ip):
                return self._refused(address, f"An IP filter in {region} blocks {sender_ip}.")
            if state is None or not rules.takes(state, address):
                return self._refused(address, f"No active receipt rule in {region} matches {address}.")
        return ""

    def _refused(self, address: str, why: str) -> str:
        with WORLD.lock:
            entry = MailEntry(WORLD.clock.now(), "", "", (address,), 0, is_accepted=False, steps=(why,))
            WORLD.mail.entries.append(entry)
        return why

    def _receive(self, envelope: Envelope) -> str:
        """Pass the recipients to each region that their MX points to."""
        by_region: dict[str, list[str]] = {}
        for address in envelope.rcpt_tos:
            by_region.setdefault(self.region_of(address), []).append(address)
        refusal = ""
        with WORLD.lock:
            for name, recipients in by_region.items():
                refusal = _pass(rules.region_named(name), envelope, recipients)
        return refusal


def _pass(state: RegionState | None, envelope: Envelope, recipients: list[str]) -> str:
    if state is None:
        return "451 4.3.0 The region no longer exists."
    raw = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
    entry = rules.receive(state, rules.Envelope(envelope.mail_from or "", tuple(recipients), raw))
    if entry.is_accepted:
        return f"250 OK {entry.message_id}"
    return f"550 5.7.1 {entry.steps[-1]}"


class SmtpServer:
    """Serves in its own thread, with its own event loop, from `start` to `stop`."""

    def __init__(self, zones: ZoneStore, host: str, port: int) -> None:
        self._handler, self._host, self._port = InboundHost(zones), host, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smtp", daemon=True)

    def start(self) -> str:
        """Return its address as host:port. Raises OSError if the port is in use.

        Nothing runs in the caller's thread, which may have a running event loop, as with Playwright.
        """
        logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd logs every command
        self._thread.start()
        try:
            made = self._loop.create_server(self._protocol, self._host, self._port)
            self._server = asyncio.run_coroutine_threadsafe(made, self._loop).result()
        except OSError:
            self._end()
            raise
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    def stop(self) -> None:
        """Stop. Open sessions are cut."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)
        self._end()

    def _end(self) -> None:
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_default_executor(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        mine = asyncio.current_task()
        for task in asyncio.all_tasks():
            if task is not mine:
                task.cancel()
        await asyncio.sleep(0)

    def _protocol(self) -> Any:
        return SMTP(
            self._handler, hostname="inbound-smtp.sandbox", data_size_limit=LARGEST, loop=self._loop, ident="Sandbox"
        )
