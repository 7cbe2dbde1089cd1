"""Pages of addresses, endpoints, received mail and receipt rules."""

from receipt_rules.models.addresses import Address
from receipt_rules.models.endpoints import Endpoint, ForwardingState
from receipt_rules.models.runs import Run
from tests.browser.showcase import receiving
from tests.browser.visits.visit import Visit, domain, fill, press

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:inbound-mail-handler"
RECEIVING = (
    Visit("receipt_rules:domain", of=domain("verified"), note="nothing yet"),
    Visit("receipt_rules:addresses", "nina", note="nothing yet"),
    Visit("receipt_rules:endpoints", "nina", note="nothing yet"),
    Visit("receipt_rules:received", "nina", note="nothing yet"),
    Visit("receipt_rules:runs", "adam", note="nothing yet"),
    Visit("receipt_rules:states", "adam", note="nothing yet"),
    Visit("receipt_rules:addresses", of=receiving.no_arguments),
    Visit("receipt_rules:addresses", "adam", query="?q=nothing-like-it&show=off"),
    Visit("receipt_rules:domain", of=domain("verified")),
    Visit("receipt_rules:domain", of=domain("verified"), act=press("Add address"), note="nothing typed"),
    Visit("receipt_rules:domain", of=receiving.missing_probe, note="a scheduled test message is missing"),
    Visit("receipt_rules:domain", of=domain("waiting"), note="not verified"),
    Visit("receipt_rules:send_only", of=domain("verified")),
    Visit("receipt_rules:address", of=receiving.first_row(Address)),
    Visit("receipt_rules:add_many"),
    Visit("receipt_rules:add_many", "adam", act=press("Preview addresses"), note="nothing pasted"),
    Visit("receipt_rules:add_many", act=fill("Addresses", "a@verified.acme.com\nb", "Preview addresses", seen="table")),
    Visit("receipt_rules:endpoints"),
    Visit("receipt_rules:add_endpoint", "adam"),
    Visit("receipt_rules:add_endpoint", act=press("Add endpoint"), note="nothing typed"),
    Visit("receipt_rules:endpoint", "adam", of=receiving.first_row(Endpoint)),
    Visit("receipt_rules:endpoint", of=receiving.waiting_endpoint, note="recipients have not confirmed"),
    *(Visit("receipt_rules:forwarding", "", of=receiving.forwarding_link(state)) for state in ForwardingState),
    Visit("receipt_rules:forwarding", "", of=lambda _: ("old",), status=404, note="a link that is no more"),
    Visit("receipt_rules:probes", of=receiving.no_arguments),
    Visit("receipt_rules:probes", act=press("Send test message"), note="nothing typed"),
    Visit("receipt_rules:probe", of=receiving.probe),
    Visit("receipt_rules:received", of=receiving.no_arguments),
    Visit("receipt_rules:received", "adam", query="?show=failed"),
    Visit("receipt_rules:received", query="?q=nothing-like-it"),
    Visit("receipt_rules:received_message", of=receiving.failed_mail),
    Visit(
        "receipt_rules:endpoint",
        of=receiving.first_row(Endpoint),
        act=press("Generate new secret", seen="#secret"),
        note="the secret",
    ),
    Visit("receipt_rules:rules", "adam"),
    Visit("receipt_rules:plan", "adam", note="while a run is under way"),
    Visit("receipt_rules:runs", "adam"),
    Visit("receipt_rules:run", "adam", of=receiving.first_row(Run)),
    Visit("receipt_rules:run", "adam", of=receiving.proposed, note="waits for a second operator"),
    Visit("receipt_rules:plan", "adam", of=receiving.done),
    Visit("receipt_rules:plan", "adam", act=press("Approve 3 steps"), note="without a reason"),
    Visit("receipt_rules:states", "adam"),
    Visit("receipt_rules:check", "adam"),
    Visit("receipt_rules:check", "adam", of=receiving.revoke_ses_access, note="SES may not"),
    Visit("receipt_rules:bucket_policy", "adam", of=receiving.revoke_ses_access),
    Visit("receipt_rules:function_permission", "adam", of=receiving.revoke_ses_access, query=f"?function={FUNCTION}"),
    Visit("receipt_rules:function_permission", "adam", note="of nothing"),
    Visit("receipt_rules:pipeline", "adam"),
    Visit("receipt_rules:pipeline", "adam", query="?days=7&domain=verified.acme.com"),
    Visit("receipt_rules:simulator", "adam", query="?addresses=billing@verified.acme.com,nonsense"),
)
