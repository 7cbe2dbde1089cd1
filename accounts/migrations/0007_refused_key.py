from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_name_parts"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="last_refused_at",
            field=models.DateTimeField(
                help_text="When a call of the receiving function with it was refused, accurate to the minute.", null=True
            ),
        ),
    ]
