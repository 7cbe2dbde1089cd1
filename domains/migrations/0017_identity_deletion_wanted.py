"""A field of domains gets its present name. Its column keeps the old one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("domains", "0016_age_index")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField("Domain", "unmake_wanted", "identity_deletion_wanted"),
                migrations.AlterField(
                    "Domain",
                    "identity_deletion_wanted",
                    models.BooleanField(db_column="unmake_wanted", default=False, help_text="Claim stays."),
                ),
            ]
        ),
    ]
