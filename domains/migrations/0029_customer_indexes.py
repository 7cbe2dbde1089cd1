from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """The unverified domains and the DNS hosts of a customer are found without reading all of theirs.

    The removed index has the columns of the constraint domain_of_customer_once.
    """

    atomic = False
    dependencies = [("domains", "0028_mta_sts_block")]
    operations = [
        AddIndexConcurrently(
            "domain",
            models.Index(
                fields=["customer"],
                name="domain_unverified",
                condition=~models.Q(state="verified") | models.Q(override_until__isnull=False),
            ),
        ),
        AddIndexConcurrently("domain", models.Index(fields=["customer", "provider"], name="domain_providers")),
        RemoveIndexConcurrently("domain", "domain_of_customer"),
    ]
