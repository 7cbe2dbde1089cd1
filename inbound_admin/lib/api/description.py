"""Extends the OpenAPI description: examples, the codes of each error, and numbers from the settings."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.conf import settings

from inbound_admin.lib.api.examples import REQUESTS

ID = "01J9ZC6V7Q8X"
INTRODUCTION = """Manage domains, addresses and endpoints that receive mail through Amazon SES.

Create a key under *API keys* of your account and send it with every call:

    curl -H "Authorization: Bearer YOUR_KEY" https://panel.example.com/api/v2/domains

- **Start**: add a domain, publish the `dnsRecords` of the answer, verify its authentication, add an endpoint and an
  address.
- **Errors** are `{"error": "<sentence>", "code": "<STABLE_CODE>", "details"?}`. With `MALFORMED`, `details` lists each
  problem.
- **Lists** take `limit` and `offset`, and return `data` and `pagination`. An unknown parameter or filter value
  returns 400.
- **Retries** are safe with `Idempotency-Key` on a POST. 429 and 503 have `Retry-After`.
- **Staff** operations need the scope `staff`. Staff give a reason for changes in `X-Reason`.

A signed-in session works too; its writes need the CSRF token in `X-CSRFToken`. [Back to the site](/)"""
# The headings of the page, in the order in which a newcomer needs them.
TAGS = {
    "Domains": "Add domains, publish their DNS records, verify and diagnose them.",
    "Email addresses": "Addresses that receive mail, and the endpoint that gets it.",
    "Endpoints": "Where mail is delivered: webhooks, forwarding addresses and groups.",
    "Received mail": "Received messages and their delivery results, without content.",
    "Webhooks": "Events of your domains, sent to your own server.",
    "Alerts": "Problems that are open now.",
    "Customers": "The organisations that you belong to.",
    "Audit": "Who changed what, when and why.",
    "Health": "Whether all parts of this installation work.",
    "Tenants": "Status of your SES tenants. The other operations are for staff.",
    "Receipt rules": "Staff: live receipt rules, plans, runs and rollback.",
    "Migrations": "Staff: move customers to SES tenants.",
    "Drift": "Staff: differences between SES and the database.",
    "Receiving": "For the receiving function: where each message is delivered.",
    "Version e2": "For the client `inboundemail`. New clients use the operations above.",
    "Version 1.1": "Kept for clients of the previous system. New clients use the operations above.",
    "Older": "Kept for clients of the previous system. New clients use the operations above.",
}
# Examples for fields with a pattern, for which a viewer would invent nonsense, and for path parameters.
EXAMPLES: dict[str, Any] = {
    "address": "orders@shop.example.com",
    "catchAllEndpointId": f"ep_{ID}",
    "customerId": f"cus_{ID}",
    "customers": [f"cus_{ID}"],
    "deliveryId": f"dlv_{ID}",
    "description": "Orders of the shop",
    "domain": "shop.example.com",
    "domainId": f"dom_{ID}",
    "emailAddresses": ["orders@shop.example.com"],
    "endpointId": f"ep_{ID}",
    "formatKey": "bind",
    "host": "hooks.example.com",
    "mailFromDomain": "mail.shop.example.com",
    "mailId": f"rcv_{ID}",
    "messageId": "o3vrnil0e2ic28trm7dfhrc2v0clambda4nbp0g1",
    "name": "Orders",
    "provider": "Cloudflare",
    "recipients": ["orders@shop.example.com"],
    "search": "shop",
    "tenantId": f"tenant-{ID.lower()}",
    "to": "orders@shop.example.com",
    "url": "https://hooks.example.com/mail",
    "overrideUrl": "https://hooks.example.com/mail",
    "webhookId": f"whk_{ID}",
}
OTHERWISE = "text"
PROBLEMS = {
    400: ("MALFORMED", "The request isn't valid: domain is required."),
    401: ("NO_KEY", "This call requires an API key."),
    403: ("SCOPE_MISSING", "This API key doesn't have the scope “write”."),
    404: ("NOT_FOUND", "Not found."),
    405: ("METHOD_NOT_ALLOWED", "This URL only accepts GET, POST."),
    409: ("CONFLICT", "What is there already forbids it."),
    413: ("TOO_LARGE", "The body is too large."),
    415: ("WRONG_CONTENT_TYPE", "Send JSON with “Content-Type: application/json”."),
    422: ("REFUSED", "A rule forbids it. The sentence says which."),
    429: ("RATE_LIMITED", "Too many calls. Try again after the seconds in Retry-After."),
    500: ("INTERNAL", "Something went wrong on our side."),
    502: ("AWS_ERROR", "AWS refused the request."),
    503: ("AWS_BUSY", "AWS is busy. Try again in a moment."),
}
SCHEMES = {"ApiKeyWith": "ApiKey", "SessionWith": "Session"}


def explain(schema: dict[str, Any]) -> None:
    """Add them to the schema that the framework generated."""
    for methods in schema["paths"].values():
        if "get" in methods:
            _add_etag(methods["get"]["responses"])
    for operation in _operations(schema):
        _explain_operation(operation)
    schema["tags"] = [{"name": name, "description": words} for name, words in TAGS.items()]
    schema["paths"] = dict(sorted(schema["paths"].items()))  # each object before what is below it
    components = schema["components"]
    for shape in components["schemas"].values():
        for name, field in shape.get("properties", {}).items():
            if _has_pattern(field):
                field["examples"] = [example_of(name, field)]
    schemes = components.get("securitySchemes", {})
    components["securitySchemes"] = {SCHEMES.get(name, name): scheme for name, scheme in schemes.items()}


def _explain_operation(operation: dict[str, Any]) -> None:
    _name_schemes(operation)
    if text := operation.get("description"):
        operation["description"] = text.replace("API_WAIT_SECONDS", f"{settings.API_WAIT_SECONDS:g} seconds")
    for parameter in operation.get("parameters", ()):
        parameter.pop("examples", None)  # a list, as in a schema, where it stays; of a parameter, OpenAPI has a map
        if parameter["in"] == "path" or _has_pattern(parameter["schema"]):
            own = parameter["schema"].get("examples") or [example_of(parameter["name"], parameter["schema"])]
            parameter["example"] = own[0]
    if named := REQUESTS.get(operation["operationId"]):
        content = operation["requestBody"]["content"]["application/json"]
        content["examples"] = {name: {"value": value} for name, value in named.items()}
    for status, response in operation["responses"].items():
        if int(status) in PROBLEMS:
            response["content"]["application/json"]["example"] = _problem(int(status))


def example_of(name: str, field: dict[str, Any]) -> Any:
    """Return the example for the name, the same for paths and bodies: a value, or a list if the field is a list."""
    first, *others = name.split("_")
    found = EXAMPLES.get(first + "".join(map(str.capitalize, others)), OTHERWISE)
    is_list = any(each.get("type") == "array" for each in (field, *field.get("anyOf", ())))
    if is_list:
        return found if isinstance(found, list) else [found]
    return found[0] if isinstance(found, list) else found


def _operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in schema["paths"].values():
        yield from methods.values()


def _add_etag(responses: dict[Any, Any]) -> None:
    header = {"description": "Send it as If-None-Match to get 304 while nothing changed", "schema": {"type": "string"}}
    responses[HTTPStatus.OK.value]["headers"] = {"ETag": header}
    responses[HTTPStatus.NOT_MODIFIED.value] = {"description": "The content is still that of If-None-Match. No body"}


def _name_schemes(operation: dict[str, Any]) -> None:
    operation["security"] = [
        {SCHEMES.get(name, name): scopes for name, scopes in each.items()} for each in operation.get("security", ())
    ]


def _has_pattern(field: dict[str, Any]) -> bool:
    parts = (field, field.get("items", {}), *field.get("anyOf", ()))
    return any("pattern" in part or "pattern" in part.get("items", {}) for part in parts)


def _problem(status: int) -> dict[str, Any]:
    code, sentence = PROBLEMS[status]
    details = [{"where": "body.domain", "what": "domain is required."}] if status == HTTPStatus.BAD_REQUEST else None
    return {"error": sentence, "code": code} | ({"details": details} if details else {})
