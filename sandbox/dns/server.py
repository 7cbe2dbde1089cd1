"""The sandbox's DNS server: a resolver at one address, and each nameserver at a loopback address of its own.

All sockets share one port number. A nameserver's sockets are bound at the first query after the store assigned its
address, so before any answer contains it.
"""

import asyncio
import contextlib
import errno
import socket
import threading
from typing import Final

import structlog

from sandbox.dns.wire import QueryCount, Responder
from sandbox.dns.zones import ZoneStore

PORT_TRIES: Final = 50
TCP_IDLE_SECONDS: Final = 10.0
TCP_CONNECTIONS: Final = 200
PACKETS_A_WAKE: Final = 64
START_SECONDS: Final = 10.0

log = structlog.get_logger(__name__)
Sockets = tuple[socket.socket, socket.socket]


class NameserverAddressError(OSError):
    """A loopback address of a nameserver could not be bound; the rest of the server works."""


class DnsServer:
    """Serves a store from its own daemon thread. Start it once, then stop it."""

    def __init__(self, zones: ZoneStore, host: str = "127.0.0.1", port: int = 0) -> None:
        self._zones, self._host, self._port = zones, host, port
        self._responder = Responder(zones)
        self._bound: dict[str, Sockets] = {}
        self._servers: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        self._version = -1
        self._connections: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread | None = None

    @property
    def queries(self) -> QueryCount:
        """The questions so far, at any address."""
        return self._responder.queries

    @property
    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each nameserver whose address couldn't be bound."""
        return tuple(self._problems.values())

    def start(self) -> tuple[str, int]:
        """Bind, serve, and return host and port. Raises OSError if the address isn't available."""
        main = _bind_pair(self._host, self._port)
        self._port = int(main[0].getsockname()[1])
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(main, ready)), daemon=True, name="dns")
        self._thread.start()
        if not ready.wait(START_SECONDS):
            raise OSError(f"The sandbox's DNS server did not begin within {START_SECONDS:.0f} seconds.")
        return self._host, self._port

    def stop(self) -> None:
        """Close every socket and end the thread. Does nothing if the server isn't running."""
        if self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._thread = None

    def bind_nameservers(self) -> None:
        """Bind new nameserver addresses in a running server. Raises NameserverAddressError with those that failed."""
        asyncio.run_coroutine_threadsafe(self._bind_now(), self._loop).result()
        if self._problems:
            raise NameserverAddressError(" ".join(self._problems.values()))

    # In the server's thread

    async def _serve(self, main: Sockets, ready: threading.Event) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        try:
            self._listen(main, None)
            self._bind_new()
            ready.set()
            await self._ended.wait()
        finally:
            for task in tuple(self._connections):
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            for udp, tcp in (main, *self._bound.values()):
                self._loop.remove_reader(udp)
                self._loop.remove_reader(tcp)
                udp.close()
                tcp.close()

    async def _bind_now(self) -> None:
        self._version = -1
        self._bind_new()

    def _bind_new(self) -> None:
        if self._version == (version := self._zones.version):
            return
        self._version = version
        self._servers = {address: server for server, address in self._zones.addresses().items()}
        problems = {
            server: problem
            for address, server in self._servers.items()
            if address not in self._bound and (problem := self._bind_nameserver(server, address))
        }
        for problem in set(problems.values()).difference(self._problems.values()):
            log.warning("a nameserver of the sandbox has no address", problem=problem)
        self._problems = problems

    def _bind_nameserver(self, server: str, address: str) -> str | None:
        try:
            pair = _bind_pair(address, self._port)
        except OSError as error:
            return (
                f"The sandbox's nameserver {server} cannot answer at {address}, port {self._port}: {error.strerror}."
                f" Some systems must be given further loopback addresses first (macOS: ifconfig lo0 alias {address})."
            )
        self._bound[address] = pair
        self._listen(pair, address)
        return None

    def _listen(self, pair: Sockets, address: str | None) -> None:
        udp, tcp = pair
        self._loop.add_reader(udp, self._read_udp, udp, address)
        self._loop.add_reader(tcp, self._accept, tcp, address)

    def _respond(self, packet: bytes, address: str | None, *, tcp: bool = False) -> bytes | None:
        # Before, since an address may have another name by now; after, since the answer may tell a new address.
        self._bind_new()
        server = None if address is None else self._servers.get(address, address)
        answer = self._responder.respond(packet, nameserver=server, tcp=tcp)
        self._bind_new()
        return answer

    def _read_udp(self, udp: socket.socket, address: str | None) -> None:
        for _ in range(PACKETS_A_WAKE):
            try:
                packet, asker = udp.recvfrom(65535)
            except OSError:
                # Nothing left to read, or the notice that an earlier answer found its asker gone.
                return
            if answer := self._respond(packet, address):
                with contextlib.suppress(OSError):  # a full buffer or a vanished asker is a lost packet, as on any net
                    udp.sendto(answer, asker)

    def _accept(self, tcp: socket.socket, address: str | None) -> None:
        try:
            connection, _ = tcp.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                log.warning("a DNS connection could not be accepted", problem=str(error))
            return
        if len(self._connections) >= TCP_CONNECTIONS:
            connection.close()
            return
        task = self._loop.create_task(self._converse(connection, address))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _converse(self, connection: socket.socket, address: str | None) -> None:
        connection.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            while True:
                async with asyncio.timeout(TCP_IDLE_SECONDS):
                    size = int.from_bytes(await reader.readexactly(2))
                    packet = await reader.readexactly(size)
                    if answer := self._respond(packet, address, tcp=True):
                        writer.write(len(answer).to_bytes(2) + answer)
                        await writer.drain()
        except (asyncio.IncompleteReadError, TimeoutError, OSError):
            # The asker left or says nothing more, which ends a conversation and is no fault.
            return
        finally:
            writer.close()


def _bind_pair(host: str, port: int) -> Sockets:
    """Return UDP and TCP sockets with one port. For port 0, try others until both are free."""
    for _ in range(PORT_TRIES):
        udp = _socket(host, port, socket.SOCK_DGRAM)
        try:
            return udp, _socket(host, int(udp.getsockname()[1]), socket.SOCK_STREAM)
        except OSError as error:
            udp.close()
            if port or error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, f"no port of {host} is free for both UDP and TCP")


def _socket(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, kind)
    try:
        bound.setblocking(False)
        if kind == socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        bound.bind((host, port))
        if kind == socket.SOCK_STREAM:
            bound.listen(128)
    except OSError:
        bound.close()
        raise
    return bound
