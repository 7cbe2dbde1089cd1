from django.db import migrations


class Migration(migrations.Migration):
    """What a caller had access to at the first call with an Idempotency-Key. The version before stores none."""

    dependencies = [("inbound_admin", "0005_regions_in_use")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE api_calls ADD COLUMN access text[]", "ALTER TABLE api_calls DROP COLUMN access"
        )
    ]
