from django.db import migrations, models


class Migration(migrations.Migration):
    """Domains that are there already keep their holder, so none of them has to be compared."""

    dependencies = [("domains", "0011_override_roles")]

    operations = [
        migrations.AddField(
            model_name="domain",
            name="routes_removed_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When no receipt rule named it any more; until then its deletion waits.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="domain",
            name="routes_unchecked",
            field=models.BooleanField(
                default=False,
                help_text="Its holder is new: receipt rules may still name routes of the one before.",
            ),
        ),
        migrations.AlterField(
            model_name="domain",
            name="routes_unchecked",
            field=models.BooleanField(
                default=True,
                help_text="Its holder is new: receipt rules may still name routes of the one before.",
            ),
        ),
    ]
