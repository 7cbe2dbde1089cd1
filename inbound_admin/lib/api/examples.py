"""Examples of request bodies in the OpenAPI description, by operation ID, where the schema alone doesn't show one."""

from typing import Any

_ID = "01J9ZC6V7Q8X"
_DOMAIN, _ENDPOINT, _CUSTOMER = f"dom_{_ID}", f"ep_{_ID}", f"cus_{_ID}"
_ADDRESS: dict[str, Any] = {"address": "orders@shop.example.com", "domainId": _DOMAIN, "endpointId": _ENDPOINT}
_WEBHOOK: dict[str, Any] = {
    "name": "Orders",
    "type": "webhook",
    "config": {"url": "https://hooks.example.com/mail", "timeout": 30, "retryAttempts": 3},
}
_FORWARDING: dict[str, Any] = {"name": "Office", "type": "email", "config": {"forwardTo": "office@example.com"}}
_GROUP: dict[str, Any] = {
    "name": "Team",
    "type": "email_group",
    "config": {"emails": ["ann@example.com", "bo@example.com"]},
}
_ENDPOINTS: dict[str, dict[str, Any]] = {"Webhook": _WEBHOOK, "Forwarding": _FORWARDING, "Group": _GROUP}
_ENDPOINT_CHANGE: dict[str, dict[str, Any]] = {"Settings": {"config": {"timeout": 10}}, "Off": {"isActive": False}}
_ADDRESS_CHANGE: dict[str, dict[str, Any]] = {"Endpoint": {"endpointId": _ENDPOINT}, "Off": {"isActive": False}}
_DOMAIN_CHANGE: dict[str, dict[str, Any]] = {
    "Catch-all": {"isCatchAllEnabled": True, "catchAllEndpointId": _ENDPOINT},
    "MAIL FROM": {"mailFromDomain": "mail"},
}
_BECAUSE = "Requested by the customer, ticket 4711"
REQUESTS: dict[str, dict[str, dict[str, Any]]] = {
    "addDomain": {"Domain": {"domain": "shop.example.com"}},
    "addDomainE2": {"Domain": {"domain": "shop.example.com"}},
    "changeDomain": _DOMAIN_CHANGE,
    "changeDomainE2": _DOMAIN_CHANGE,
    "beginAuth": {"Usual": {}, "MAIL FROM": {"mailFromDomain": "mail", "generateSpf": True, "generateDmarc": True}},
    "addAddress": {"Address": _ADDRESS},
    "addAddressE2": {"Address": _ADDRESS},
    "addAddressV11": {"Address": _ADDRESS},
    "changeAddress": _ADDRESS_CHANGE,
    "changeAddressE2": _ADDRESS_CHANGE,
    "changeAddressV11": _ADDRESS_CHANGE,
    "addEndpoint": _ENDPOINTS,
    "addEndpointE2": _ENDPOINTS,
    "addEndpointV11": _ENDPOINTS,
    "changeEndpoint": _ENDPOINT_CHANGE,
    "changeEndpointE2": _ENDPOINT_CHANGE,
    "changeEndpointV11": _ENDPOINT_CHANGE,
    "putCatchAllV11": {"On": {"endpointId": _ENDPOINT}, "Off": {"endpointId": None}},
    "configureEmail": {"Addresses": {"domain": "shop.example.com", "emailAddresses": ["orders@shop.example.com"]}},
    "actOnDomain": {
        "Usable?": {"action": "canDomainBeUsed", "domain": "shop.example.com"},
        "Check": {"action": "checkVerification", "domain": "shop.example.com"},
    },
    "lookUpRoute": {
        "Message": {"recipients": ["orders+42@shop.example.com"], "receivedAt": "2026-05-04T12:00:00Z"},
    },
    "reportDeliveries": {
        "Delivered": {
            "deliveries": [
                {
                    "messageId": "o3vrnil0e2ic28trm7dfhrc2v0clambda4nbp0g1",
                    "receivedAt": "2026-05-04T12:00:00Z",
                    "recipients": ["orders@shop.example.com"],
                    "endpointId": _ENDPOINT,
                    "outcome": "delivered",
                    "bytes": 4821,
                    "at": "2026-05-04T12:00:02Z",
                }
            ]
        }
    },
    "simulateMessage": {"Message": {"recipients": ["orders@shop.example.com", "nobody@shop.example.com"]}},
    "approveRulePlan": {"Plan": {"digest": "9f2c4e", "because": "Addresses of a new customer"}},
    "decideOverRules": {"Accept": {"decision": "accept", "because": "Changed in the SES console on purpose"}},
    "mailRecords": {"Colleague": {"to": "dns@shop.example.com"}},
    "createShareLink": {"A week": {"meantFor": "DNS administrator", "days": 7}},
    "setProbeSchedule": {"Hourly": {"schedule": "hourly"}, "Off": {"schedule": "off"}},
    "setVerifiedNotice": {"Off": {"tellWhenVerified": False}},
    "createTenant": {"New": {"customerId": _CUSTOMER}, "Import": {"customerId": _CUSTOMER, "name": "existing-tenant"}},
    "changeTenantPolicy": {"Strict": {"policy": "strict", "because": _BECAUSE}},
    "pauseTenant": {
        "Spam": {
            "reason": "spam",
            "text": "Complaint rate above 0.5% for two days",
            "told": "Too many recipients marked your mail as spam. Clean your list and contact us.",
        }
    },
    "resumeTenant": {"Resume": {"because": _BECAUSE}},
    "planMigration": {
        "By ID": {"chosen": "customers", "customers": [_CUSTOMER], "because": _BECAUSE},
        "All": {"chosen": "all", "because": "First half of May", "atMostPerHour": 60},
    },
    "decideOverDifferences": {
        "By kind": {"decision": "restore", "because": "Not changed by us", "area": "tenants", "kind": "policy"},
    },
    "decideOverDifference": {"Ignore": {"decision": "ignore", "because": "Test identity"}},
    "muteAlert": {"Until Monday": {"until": "2026-05-11T08:00:00Z"}},
    "addWebhook": {
        "Some events": {
            "name": "Status page",
            "url": "https://hooks.example.com/inbound",
            "events": ["domain.verified", "domain.at_risk"],
        },
        "Slack": {"name": "Slack", "url": "https://hooks.slack.com/services/T0/B0/x", "format": "slack"},
    },
    "changeWebhook": {"Off": {"isOn": False}},
}
