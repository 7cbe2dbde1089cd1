from django.db import migrations, models


class Migration(migrations.Migration):
    """One label; no SQL."""

    dependencies = [("receipt_rules", "0016_rules_as_read")]

    operations = [
        migrations.AlterField(
            model_name="receivedmail",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("delivered", "Delivered"),
                    ("failed", "Failed"),
                    ("waiting", "Waiting for confirmation"),
                    ("held", "Held"),
                    ("unrouted", "Stored only"),
                ],
                max_length=10,
            ),
        ),
    ]
