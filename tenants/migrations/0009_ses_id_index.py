from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tenants", "0008_name_parts")]

    operations = [
        AddIndexConcurrently("tenant", models.Index(fields=["ses_id"], name="tenant_by_ses_id")),
    ]
