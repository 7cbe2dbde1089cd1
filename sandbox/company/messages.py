"""Received mail: by SMTP into the sandbox, through its rules and the shipped function, which calls the product.

The function uses HTTP, and the web server isn't started yet, so this process answers meanwhile.
"""

import smtplib
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.test.utils import override_settings
from django.utils import timezone

from accounts.api_keys.services import create_api_key, revoke_api_key
from accounts.models.api_keys import ApiKey
from receipt_rules.models.received_mail import ReceivedMail
from sandbox.client import ControlClient
from sandbox.company.people import staff

KEY = "demo function"
SENDER = "ann@letters.example"
# By days ago: who got which subject.
BY_DAY = (
    (20, "orders@northwind-books.com", "Two copies of The Tide Clock"),
    (18, "office@orchardlaneschool.org", "Trip to the museum: who comes along?"),
    (16, "orders@maplestreetbakery.com", "Rye for Saturday"),
    (14, "intake@fenwicklegal.com", "A lease that ends in March"),
    (12, "help@tallisaudio.com", "The left channel is silent"),
    (10, "anybody@maplestreetbakery.com", "Do you bake without nuts?"),
    (8, "beans@copperkettle.coffee", "A kilo of the house blend"),
)
EACH_DAY = (
    ("orders@northwind-books.com", "Order from the shop window"),
    ("office@orchardlaneschool.org", "Mila is ill today"),
    ("orders@maplestreetbakery.com", "Standing order, 20 rolls"),
    ("help@tallisaudio.com", "Which cable for the new amplifier?"),
    ("intake@fenwicklegal.com", "Appointment next week"),
)
FAILING = ("dispatch@pelicanfreight.com", "Pallet 4471 is at the wrong gate")
HELD = ("studio@sableandfinch.com", "A print of the harbour")


def of_day(day: int) -> tuple[tuple[str, str], ...]:
    """The bookshop gets mail every day, the others in turn."""
    return EACH_DAY[0], EACH_DAY[1 + day % (len(EACH_DAY) - 1)]


class _Quiet(WSGIRequestHandler):
    """Doesn't log requests."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the standard library
        return


@contextmanager
def product_answers(host: ControlClient) -> Iterator[None]:
    """Let the sandbox's function call the product in this process, with a key of its own."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), _Quiet)
    server.set_app(get_wsgi_application())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    for left in ApiKey.objects.filter(name=KEY, revoked_at=None):
        revoke_api_key(key=left, actor=None)
    made = create_api_key(user=staff("Olga"), name=KEY, scopes=["route", "report"], actor=None)
    thread.start()
    host.set_receiver(f"http://127.0.0.1:{server.server_port}", made.secret)
    try:
        with override_settings(ALLOWED_HOSTS=["127.0.0.1"], SECURE_SSL_REDIRECT=False, DEMO_PROGRESS=""):
            yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        revoke_api_key(key=made.key, actor=None)


def send(host: ControlClient, letters: Iterable[tuple[str, str]], *, once_in_hours: int = 12) -> None:
    """Send one envelope each, except recently received ones; then run the function once for all due messages."""
    lately = timezone.now() - timedelta(hours=once_in_hours)
    came = set(ReceivedMail.objects.filter(received_at__gte=lately).values_list("recipient", flat=True))
    letters = [letter for letter in letters if letter[0] not in came]
    if not letters:
        return
    name, _, port = host.smtp_address().partition(":")
    with smtplib.SMTP(name, int(port), timeout=30) as smtp:
        for recipient, subject in letters:
            message = EmailMessage()
            message["From"], message["To"], message["Subject"] = SENDER, recipient, subject
            message.set_content(f"Hello,\n\nthis is about: {subject}\n\nBest regards\nAnn\n")
            smtp.send_message(message)
    host.run_function()
