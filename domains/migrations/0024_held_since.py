from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("domains", "0023_conflict")]
    operations = [
        migrations.AddField(
            model_name="domain",
            name="held_since",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
