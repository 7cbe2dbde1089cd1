"""A change batch for Amazon Route 53.

CREATE and never UPSERT: all values of one type at one name are one record set, and an upsert would put ours in place
of what stands there, such as the proofs of others at the domain itself. Amazon refuses the whole batch instead.
"""

import json
from collections.abc import Sequence

from domains.core.exporting.record_sets import record_sets
from domains.core.exporting.values import Entry
from domains.core.exporting.zone_file import data_of, entry_of


def write(entries: Sequence[Entry], zone: str) -> str:
    changes = [
        {
            "Action": "CREATE",
            "ResourceRecordSet": {
                "Name": f"{own[0].name}.",
                "Type": own[0].type,
                "TTL": own[0].ttl,
                "ResourceRecords": [{"Value": data_of(entry, octal=True)} for entry in own],
            },
        }
        for own in record_sets(entries)
    ]
    return json.dumps({"Comment": f"Records for {zone}", "Changes": changes}, indent=2) + "\n"


def read(text: str, zone: str) -> tuple[Entry, ...]:
    """ValueError or KeyError for what is no change batch of ours."""
    sets = [change["ResourceRecordSet"] for change in json.loads(text)["Changes"]]
    return tuple(
        entry_of(own["Name"].removesuffix("."), own["Type"], record["Value"], own["TTL"], octal=True)
        for own in sets
        for record in own["ResourceRecords"]
    )


def command(file_name: str) -> str:
    """How the batch is sent with Amazon's command line."""
    batch = f"--change-batch file://{file_name}"
    return f"aws route53 change-resource-record-sets --hosted-zone-id YOUR_ZONE_ID {batch}"
