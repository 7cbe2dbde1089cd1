"""The API key with which a change was requested that the worker carries out."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [('domains', '0020_last_known_result')]
    operations = [
        migrations.AddField(
            model_name="domain",
            name="wanted_with_key",
            field=models.CharField(blank=True, db_default="", help_text="API key of the request.", max_length=300),
        ),
    ]
