"""An address is unique at its domain's row, not among all customers.

The new indexes come first; the former constraint, which is stricter, ends last. So each step holds beside the version
before, which finds an address of the holder with either.
"""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models

ONCE = "address_of_domain_once"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("receipt_rules", "0022_route_mail"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="address",
            index=models.Index(fields=["address", "id"], name="address_by_address"),
        ),
        AddIndexConcurrently(
            model_name="address",
            index=models.Index(fields=["address"], name="address_like", opclasses=("varchar_pattern_ops",)),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"CREATE UNIQUE INDEX CONCURRENTLY {ONCE} ON receipt_rules_address (domain_id, address)",
                    f"DROP INDEX CONCURRENTLY IF EXISTS {ONCE}",
                ),
                migrations.RunSQL(
                    f"ALTER TABLE receipt_rules_address ADD CONSTRAINT {ONCE} UNIQUE USING INDEX {ONCE}",
                    f"ALTER TABLE receipt_rules_address DROP CONSTRAINT {ONCE}",
                ),
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="address",
                    constraint=models.UniqueConstraint(fields=("domain", "address"), name=ONCE),
                ),
            ],
        ),
        migrations.AlterField(
            model_name="address",
            name="address",
            field=models.CharField(help_text="Lower case; the domain in ASCII.", max_length=320),
        ),
        RemoveIndexConcurrently(model_name="address", name="address_of_domain"),
        migrations.AlterModelOptions(
            name="address",
            options={"ordering": ("address", "id"), "verbose_name_plural": "addresses"},
        ),
    ]
