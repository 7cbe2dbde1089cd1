"""An address has the customer of its domain, so that the addresses of one customer come in an index's order.

PostgreSQL sets it at each insert, and when a domain is transferred: the version that runs beside doesn't know it.
"""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

AT_ONCE = 5_000  # rows: each statement locks its rows for less than a second
KEEP = """
CREATE FUNCTION address_customer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT customer_id INTO NEW.customer_id FROM domains_domain WHERE id = NEW.domain_id;
    RETURN NEW;
END $$;
CREATE FUNCTION customer_of_addresses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE receipt_rules_address SET customer_id = NEW.customer_id WHERE domain_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER address_customer BEFORE INSERT OR UPDATE OF domain_id, customer_id ON receipt_rules_address
    FOR EACH ROW EXECUTE FUNCTION address_customer();
CREATE TRIGGER customer_of_addresses AFTER UPDATE OF customer_id ON domains_domain
    FOR EACH ROW WHEN (OLD.customer_id IS DISTINCT FROM NEW.customer_id) EXECUTE FUNCTION customer_of_addresses();
"""
FORGET = """
DROP TRIGGER customer_of_addresses ON domains_domain;
DROP TRIGGER address_customer ON receipt_rules_address;
DROP FUNCTION customer_of_addresses();
DROP FUNCTION address_customer();
"""
FILL = """
WITH part AS (SELECT id FROM receipt_rules_address WHERE id > %s ORDER BY id LIMIT %s),
    filled AS (UPDATE receipt_rules_address SET customer_id = NULL WHERE id IN (SELECT id FROM part))
SELECT max(id) FROM part
"""


# The trigger sets the customer, whatever a statement says.
def fill(_apps: Any, schema_editor: Any) -> None:
    last: str | None = ""
    with schema_editor.connection.cursor() as cursor:
        while last is not None:
            cursor.execute(FILL, [last, AT_ONCE])
            (last,) = cursor.fetchone()


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("accounts", "0001_initial"),
        ("receipt_rules", "0029_former_stores"),
    ]

    operations = [
        migrations.AddField(
            model_name="address",
            name="customer",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                help_text="The domain's: PostgreSQL sets it (migration 0030).",
                null=True,
                on_delete=models.DO_NOTHING,
                related_name="+",
                to="accounts.customer",
            ),
        ),
        migrations.RunSQL(KEEP, FORGET),
        migrations.RunPython(fill, migrations.RunPython.noop),
        AddIndexConcurrently(
            model_name="address",
            index=models.Index(fields=["customer", "address", "id"], name="address_of_customer"),
        ),
        AddIndexConcurrently(
            model_name="address",
            index=models.Index(
                condition=models.Q(("is_active", True)), fields=["customer", "rules"], name="address_active"
            ),
        ),
    ]
