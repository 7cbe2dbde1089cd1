from django.db import migrations, models

KEEP = """
    UPDATE domains_domain SET policies = jsonb_build_object('spf', jsonb_build_object(name, jsonb_build_array(apex_spf)))
    WHERE apex_spf <> ''
"""


class Migration(migrations.Migration):
    dependencies = [("domains", "0003_receiving")]

    operations = [
        migrations.AddField(
            model_name="domain",
            name="policies",
            field=models.JSONField(
                blank=True, default=dict, help_text="What it last told of SPF and DMARC, by name."
            ),
        ),
        migrations.RunSQL(KEEP, migrations.RunSQL.noop),
        migrations.RemoveField(model_name="domain", name="apex_spf"),
    ]
