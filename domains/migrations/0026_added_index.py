from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    """The API lists domains by when their present customer got them."""

    atomic = False
    dependencies = [("domains", "0025_held_since_earlier")]
    operations = [
        AddIndexConcurrently("domain", models.Index(Coalesce("held_since", "created_at"), "id", name="domain_by_added")),
        RemoveIndexConcurrently("domain", "domain_by_age"),
    ]
