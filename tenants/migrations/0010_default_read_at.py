"""When the default configuration set of a tenant's identity was last read."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0009_ses_id_index")]

    operations = [
        migrations.AddField(
            "TenantResource",
            "default_read_at",
            models.DateTimeField(
                null=True, help_text="When an identity's default configuration set was last read; null: not read."
            ),
        ),
    ]
