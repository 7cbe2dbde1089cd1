from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def note_pauses(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Whoever is paused now was paused by a call of ours, as far as we know."""
    apps.get_model("tenants", "Tenant").objects.filter(is_paused=True).update(pause_is_ours=True)


class Migration(migrations.Migration):
    dependencies = (("tenants", "0002_rates_source"),)

    operations = (
        migrations.AddField(
            model_name="tenant",
            name="pause_is_ours",
            field=models.BooleanField(default=False, help_text='Paused by our API call, not by the policy or in the SES console.'),
        ),
        migrations.RunPython(note_pauses, migrations.RunPython.noop),
    )
