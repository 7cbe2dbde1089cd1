from django.db import migrations, models
from django.db.models.functions import Now

NOT_ASSOCIATED = "SES no longer associates this with the tenant. See Drift."


def mark_lost(apps, schema_editor):  # type: ignore[no-untyped-def]
    """Until now the text of the problem said which associations SES had lost."""
    apps.get_model("tenants", "TenantResource").objects.filter(problem=NOT_ASSOCIATED).update(lost_at=Now())


class Migration(migrations.Migration):
    dependencies = [("tenants", "0011_stopped_as")]

    operations = [
        migrations.AddField(
            model_name="tenantresource",
            name="lost_at",
            field=models.DateTimeField(
                help_text="When SES was found to have lost the association; null once SES has it again.", null=True
            ),
        ),
        migrations.RunPython(mark_lost, migrations.RunPython.noop),
    ]
