"""Events of staff alerts know which permission their reader needs."""

from django.db import migrations, models

FROM_ALERTS = """
    UPDATE notifications_event AS event SET permission = alert.permission FROM notifications_alert AS alert
    WHERE alert.permission <> '' AND event.object_type = alert.object_type AND event.object_id = alert.object_id
    AND event.data ->> 'alert' = alert.id
"""


class Migration(migrations.Migration):
    dependencies = [("notifications", "0003_harmed")]

    operations = [
        migrations.AddField(
            "event",
            "permission",
            models.CharField(
                blank=True,
                db_default="",
                help_text="Of a staff alert: who may read it needs this permission.",
                max_length=100,
            ),
        ),
        migrations.RunSQL(FROM_ALERTS, migrations.RunSQL.noop),
    ]
