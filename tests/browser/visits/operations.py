"""Pages that span several apps: overview, search, bulk actions, migrations, drift and imports."""

from operations.models import Difference, Migration
from tests.browser import legacy_import
from tests.browser.showcase import activity, alerts, bulk, migrations, receiving, tenants
from tests.browser.visits.visit import Visit, acme, domain, fill, press, show_diagnosis

LEGACY_IMPORT_STATES = ("looking", "looked", "moving", "done", "cancelled")
MOVES = ("done", "failed", "running", "waiting", "rolled_back")
NAMED = "main li:has-text('nobody.example')"
SPANNING = (
    Visit("operations:overview", "nina", note="nothing yet"),
    Visit("operations:overview", of=receiving.no_arguments),
    Visit("operations:overview", "sam", of=tenants.no_arguments),
    Visit("operations:overview", "adam", of=activity.add_week_of_work),
    Visit("operations:find", of=alerts.inbox, note="nothing typed"),
    Visit("operations:find", query="?q=nothing-like-it"),
    Visit("operations:find", query="?q=acme"),
    Visit("operations:find", query="?q=verified.acme.com", elsewhere=True),
    Visit("operations:find", "sam", query="?q=acme"),
    Visit("operations:case", "sam", of=domain("broken"), act=show_diagnosis),
    Visit("operations:case", "sam", of=domain("held"), act=show_diagnosis, note="held"),
    Visit("operations:case", "sam", of=domain("claim"), act=show_diagnosis, note="a claim"),
    Visit("operations:changes", "nina", note="nothing yet"),
    Visit("operations:changes"),
    Visit("operations:changes", "adam"),
    Visit("operations:changes", "adam", query="?q=nothing-like-it"),
    Visit("operations:migrations", "adam", note="nothing yet"),
    Visit("operations:differences", "adam", note="not looked yet"),
    Visit("operations:migrations", "adam", of=migrations.no_arguments),
    Visit("operations:migrations", "sam"),
    Visit("operations:plan_migration", "adam"),
    Visit("operations:plan_migration", "adam", act=press("Preview plan"), note="without a reason"),
    Visit("operations:migration", "adam", of=migrations.first_row(Migration, state="running")),
    Visit("operations:migration", "adam", of=migrations.first_row(Migration, state="running"), query="?show=failed"),
    Visit("operations:migration", "adam", of=migrations.first_row(Migration, state="planned"), note="planned"),
    *(Visit("operations:migration_item", "adam", of=migrations.item(state), note=state) for state in MOVES),
    Visit("operations:move", "adam", of=acme),
    Visit("operations:move", "sam", of=acme),
    Visit("operations:differences", "adam", of=migrations.no_arguments),
    Visit("operations:differences", "sam", of=migrations.no_arguments, query="?show=ignored"),
    Visit("operations:decide_many", "adam", of=migrations.no_arguments, query="?area=tenants&kind=policy"),
    Visit("operations:decide_many", "adam", of=migrations.no_arguments, query="?area=rules&kind=nonsense", note="none"),
    Visit("operations:difference", "adam", of=migrations.first_row(Difference, kind="policy")),
    Visit("operations:difference", "adam", of=migrations.first_row(Difference, kind="unknown"), note="nobody's"),
    Visit(
        "operations:difference",
        "adam",
        of=migrations.first_row(Difference, kind="policy"),
        act=press("Apply decision"),
        note="no reason",
    ),
    Visit("operations:difference", "sam", of=migrations.first_row(Difference, kind="status"), note="left"),
    Visit("operations:legacy_import", "adam", note="nothing yet"),
    Visit("operations:legacy_import", "adam", act=press("Preview import"), note="without a file"),
    *(
        Visit("operations:legacy_import_rows", "adam", of=legacy_import.import_in_state(state), note=state)
        for state in LEGACY_IMPORT_STATES
    ),
    Visit("operations:legacy_import_rows", "adam", of=legacy_import.import_in_state("done"), query="?fate=refused"),
    Visit("operations:legacy_import", "adam"),
    Visit("operations:adopt_identities", "adam"),
    Visit("operations:adopt_identities", "adam", act=press("Preview"), note="without a reason"),
    Visit("operations:start_bulk", "sam"),
    Visit("operations:start_bulk", "sam", act=press("Preview"), note="nothing named"),
    Visit(
        "operations:start_bulk",
        "sam",
        act=fill(
            "Domains (optional)",
            "verified.acme.com held.acme.com nobody.example",
            "Preview",
            seen=NAMED,
        ),
        note="looked at",
    ),
    Visit("operations:start_bulk"),
    Visit("operations:bulk", "sam", of=bulk.held),
    Visit("operations:delete_domain", of=domain("verified")),
    Visit("operations:delete_domain", "sam", of=domain("verified"), note="without the permission to change routes"),
    Visit("operations:delete_domain", of=domain("deleting"), note="under way"),
)
