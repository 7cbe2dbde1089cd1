"""The steps of *What to try*, by role. Only words; `tour` finds the pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Step:
    """`of`: kind and name of the object of the page `view`. `shows`: a text of the page, which a test searches."""

    title: str
    do: str
    see: str
    view: str
    shows: str
    of: tuple[str, str] | None = None
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Role:
    """`email`: the demo account to sign in with."""

    key: str
    title: str
    email: str
    about: str
    steps: tuple[Step, ...]


CUSTOMER = Role(
    "customer",
    "Customer",
    "nora@northwind-books.com",
    "Nora owns Northwind Books. One of her domains works, one is half published, and one has a typing mistake.",
    (
        Step(
            "See what needs you",
            "Open the overview.",
            "The domains that are not verified, the worst first.",
            "operations:overview",
            "letters.northwind-books.com",
        ),
        Step(
            "Find the mistake",
            "Open letters.northwind-books.com and find the record that needs fixing.",
            "DKIM record 2 has the wrong name: the DNS host added the domain a second time.",
            "domains:detail",
            "_domainkey.letters.northwind-books.com",
            ("domain", "letters.northwind-books.com"),
        ),
        Step(
            "Fix it at the DNS host",
            "On the sandbox’s DNS host, click Fix at DKIM record 2. It plays the part of your own DNS host.",
            "The records become correct, and the page of the domain updates automatically within a minute.",
            "sandbox:zone",
            "northwind-books.com",
            ("zone", "northwind-books.com"),
        ),
        Step(
            "Copy the records of a new domain",
            "Open orders.northwind-books.com. Copy all records, download them, or print them.",
            "Each record with its own copy button, and which ones are still missing.",
            "domains:detail",
            "_domainkey",
            ("domain", "orders.northwind-books.com"),
        ),
        Step(
            "Send the records to a colleague",
            "Make a link that shows the records without an account.",
            "A link that expires, and who has opened it.",
            "domains:share",
            "link",
            ("domain", "orders.northwind-books.com"),
        ),
        Step(
            "Say where mail goes",
            "Add an address, or a catch-all, and choose an endpoint.",
            "The address orders@northwind-books.com and the endpoint that its mail goes to.",
            "receipt_rules:domain",
            "orders@northwind-books.com",
            ("domain", "northwind-books.com"),
        ),
        Step(
            "See what arrived",
            "Open a message. Then send one yourself, to the port that the sandbox’s page Mail names.",
            "Every message of the last three weeks, where it went, and whether it arrived. Its content stays in the S3 "
            "bucket; this site stores none.",
            "receipt_rules:received",
            "orders@northwind-books.com",
        ),
    ),
)
SUPPORT = Role(
    "support",
    "Support",
    "sam@inbound-admin.example",
    "Sam answers customers. He sees every customer, and changes nothing without saying why.",
    (
        Step(
            "Find the domain somebody writes about",
            "Search for “kite” in the box at the top, or press / and type.",
            "The customer, its domains and its people in one list.",
            "operations:find",
            "kiteandkey.studio",
            query={"q": "kite"},
        ),
        Step(
            "Answer “why does my domain not work?”",
            "Open the case of kiteandkey.studio and copy the reply.",
            "What is wrong, since when, who acts next, and a reply to send.",
            "operations:case",
            "kit@kiteandkey.studio",
            ("domain", "kiteandkey.studio"),
        ),
        Step(
            "Answer “it worked yesterday”",
            "Open the DNS history of copperkettle.coffee.",
            "A DKIM record was removed 19 days ago, and came back a day later.",
            "domains:dns_history",
            "_domainkey",
            ("domain", "copperkettle.coffee"),
        ),
        Step(
            "Answer “I have published everything”",
            "Open fenwick-notary.com and let the diagnosis ask every nameserver.",
            "One nameserver doesn’t know the zone, so some lookups are slow or fail. Its records are verified.",
            "domains:diagnosis",
            "fenwick-notary.com",
            ("domain", "fenwick-notary.com"),
        ),
        Step(
            "Answer “why can’t we send?”",
            "Open the customer Pelican Freight.",
            "AWS has suspended its sending. Only AWS can lift that.",
            "customers:detail",
            "uspended",
            ("customer", "Pelican Freight"),
        ),
        Step(
            "Check a claim",
            "Open quay-street-clinic.com. An earlier owner left DNS records behind.",
            "One record to publish as proof of ownership, before anything else is set up.",
            "domains:detail",
            "quay-street-clinic.com",
            ("domain", "quay-street-clinic.com"),
        ),
    ),
)
OPERATOR = Role(
    "operator",
    "Operator",
    "omar@inbound-admin.example",
    "Omar manages the receipt rules and the quotas of the region, and decides what to do about drift.",
    (
        Step(
            "Begin the day",
            "Open the overview.",
            "What needs attention, the worst first: mail of one customer is not delivered.",
            "operations:overview",
            "press-freeze-test",
        ),
        Step(
            "Decide about drift",
            "Somebody tried a rule in the SES console and left it there. Read what it does, then open the plan.",
            "The rule press-freeze-test stops all mail for one address.",
            "operations:difference",
            "press-freeze-test",
            ("the", "difference"),
        ),
        Step(
            "Simulate a message",
            "Simulate a message to press@tallisaudio.com.",
            "Which rules match, in which order, and where a Stop action ends the evaluation.",
            "receipt_rules:simulator",
            "press-freeze-test",
            query={"addresses": "press@tallisaudio.com"},
        ),
        Step(
            "Read a plan",
            "Open the plan.",
            "What would change at SES, rule by rule and address by address, before anything changes.",
            "receipt_rules:plan",
            "press@tallisaudio.com",
        ),
        Step(
            "Find out why a run failed",
            "Open the run that failed.",
            "SES refused a step because of a quota. The run stopped there and says what to do.",
            "receipt_rules:run",
            "LimitExceeded",
            ("the", "failed run"),
        ),
        Step(
            "Follow a migration",
            "Customers from before tenants were used get one, one customer an hour. Pause the migration, or resume it.",
            "Who is migrated, who waits, and when the next one is due.",
            "operations:migration",
            "Fenwick Legal",
            ("the", "migration"),
        ),
        Step(
            "Break SES",
            "Let every SES call fail, or allow one call a second. Then use the product.",
            "Pages say what could not be read and since when. Nothing is lost, and work continues afterwards.",
            "sandbox:faults",
            "call",
        ),
    ),
)
TRUST = Role(
    "trust",
    "Trust and safety",
    "tess@inbound-admin.example",
    "Tess watches what customers send, and stops it where she has to.",
    (
        Step(
            "See who is at risk",
            "Open the tenants, sorted by risk.",
            "One customer is paused by its policy, one by us, and one is suspended by AWS.",
            "tenants:list",
            "Maple Street Bakery",
        ),
        Step(
            "Read a month of rates",
            "Open the reputation of Maple Street Bakery, and choose 30 days.",
            "The bounce rate rises above the upper limit. Then the reputation policy paused the sending.",
            "tenants:reputation",
            "bounce",
            ("tenant", "Maple Street Bakery"),
        ),
        Step(
            "Preview a pause",
            "Open the pause page of Harbour Dental. Nothing happens until you confirm.",
            "What stops, what continues, and what the customer will read.",
            "operations:pause",
            "Harbour Dental",
            ("tenant", "Harbour Dental"),
        ),
        Step(
            "Review a pause",
            "Open Brightwater Yoga. Its pause is due for review tomorrow.",
            "Who paused it, why, and what the customer was told.",
            "tenants:detail",
            "left the list",
            ("tenant", "Brightwater Yoga"),
        ),
        Step(
            "Play AWS",
            "Choose a tenant and let its complaints rise, or suspend it.",
            "An alert within seconds, and the new state on the tenant’s page.",
            "sandbox:tenants",
            "Harbour Dental",
        ),
        Step(
            "Acknowledge an alert",
            "Open the alerts. Acknowledge one, or mute it.",
            "Alerts that nobody has acknowledged yet.",
            "notifications:inbox",
            "harbour-dental",
        ),
    ),
)
DEVELOPER = Role(
    "developer",
    "Developer",
    "staff@inbound-admin.example",
    "Olga connects other programs: the API, webhooks, and the function that delivers mail.",
    (
        Step(
            "Read the API",
            "Open the description of the API and try a call from it.",
            "Every operation with its fields and errors.",
            "api-1.0.0:openapi-view",
            "openapi",
        ),
        Step(
            "Make a key",
            "Make an API key with the scopes read and staff, and run the curl command that comes with it.",
            "The key once, and the domains of every customer. Without staff a key sees its owner’s own customers only.",
            "accounts:keys",
            "sandbox function",
        ),
        Step(
            "See a webhook that works",
            "Open the webhook Status board, and one of its deliveries.",
            "Each delivery: what was sent, its signature, and the response.",
            "notifications:webhook",
            "/_sink/status-board",
            ("webhook", "Status board"),
        ),
        Step(
            "See one that does not",
            "Open the webhook Old pager. Nobody answers at its address.",
            "Each attempt, and when it was switched off.",
            "notifications:webhook",
            "Old pager",
            ("webhook", "Old pager"),
        ),
        Step(
            "Follow a message that fails",
            "Open the message that Pelican’s CRM does not accept.",
            "The response of the webhook, and the number of attempts.",
            "receipt_rules:received_message",
            "dispatch@pelicanfreight.com",
            ("the", "failed message"),
        ),
        Step(
            "Send mail by SMTP",
            "Send any message to orders@northwind-books.com at the port that the page names.",
            "The rules that matched, the function’s result, and the body that the webhook received.",
            "sandbox:mail",
            "SMTP",
        ),
    ),
)
ROLES = (CUSTOMER, SUPPORT, OPERATOR, TRUST, DEVELOPER)
