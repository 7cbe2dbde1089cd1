from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """The preview of a pause counts the few subdomain catch-alls of a customer without reading all catch-alls."""

    atomic = False
    dependencies = [("receipt_rules", "0030_address_customer")]
    operations = [
        AddIndexConcurrently(
            "catchall",
            models.Index(fields=["domain"], name="catch_all_of_subdomains", condition=models.Q(subdomains=True)),
        )
    ]
