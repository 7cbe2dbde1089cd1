from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("domains", "0026_added_index")]
    operations = [
        migrations.AddField(
            "domain",
            "settings_unanswered",
            models.BooleanField(
                default=False, db_default=False, help_text="A change was sent to SES and not confirmed: SES may have it."
            ),
        ),
    ]
