from django.db import migrations, models

KEEP = """
    UPDATE domains_domain SET policies = jsonb_build_object('spf', jsonb_build_object(name, jsonb_build_array(apex_spf)))
    WHERE apex_spf <> ''
"""
# What DNS says of DMARC is not known before the next check, which for verified domains is a day away.
CHECK_SOON = """
    UPDATE domains_domain SET next_check_at = LEAST(next_check_at, now() + random() * interval '1 hour')
    WHERE next_check_at IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("domains", "0003_receiving")]

    operations = [
        migrations.AddField(
            model_name="domain",
            name="policies",
            field=models.JSONField(blank=True, default=dict, help_text='Last seen SPF and DMARC records by name.'),
        ),
        migrations.RunSQL(KEEP, migrations.RunSQL.noop),
        migrations.RunSQL(CHECK_SOON, migrations.RunSQL.noop),
        migrations.RemoveField(model_name="domain", name="apex_spf"),
    ]
