"""Documents of the previous system, for tests."""

import json
from typing import Any


def document(*, owner: str = "alice@example.com", domain: str = "shop.com", **sections: Any) -> dict[str, Any]:
    """Return one person with a domain, an endpoint, a catch-all and two addresses."""
    made: dict[str, Any] = {
        "users": [{"id": "u1", "email": owner, "name": "Alice Adams"}],
        "domains": [
            {
                "id": "d1",
                "domain": domain,
                "userId": "u1",
                "status": "verified",
                "mailFromDomain": f"mail.{domain}",
                "isCatchAllEnabled": True,
                "catchAllEndpointId": "e1",
            }
        ],
        "endpoints": [
            {
                "id": "e1",
                "name": "Desk",
                "type": "webhook",
                "config": {"url": "https://desk.example/mail", "retryAttempts": 3},
                "isActive": True,
                "userId": "u1",
            }
        ],
        "emailAddresses": [
            {"id": "a1", "address": f"Billing@{domain}", "domainId": "d1", "endpointId": "e1", "userId": "u1"},
            {"id": "a2", "address": f"old@{domain}", "domainId": "d1", "isActive": False, "userId": "u1"},
        ],
    }
    return made | sections


def files(found: dict[str, Any]) -> dict[str, bytes]:
    return {"old.json": json.dumps(found).encode()}
