from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("operations", "0010_identities_below"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.AddField(
            "batchitem",
            "retried_by",
            models.ForeignKey(
                db_index=False,
                help_text="Who asked to retry it; empty: who started the batch.",
                null=True,
                on_delete=models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
