from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("domains", "0015_lost_mail")]

    operations = [
        AddIndexConcurrently("domain", models.Index(fields=["created_at", "id"], name="domain_by_age")),
    ]
