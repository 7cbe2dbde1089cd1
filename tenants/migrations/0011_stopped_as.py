from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [('tenants', '0010_default_read_at')]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="stopped_as",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="What SES did with it (paused, suspended) before it was deleted there; until it is resumed.",
                max_length=10,
            ),
        ),
    ]
