from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # an index is built beside what writes

    dependencies = [
        ("inbound_admin", "0003_name_parts"),
        ("tenants", "0007_pass_place"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY tenant_name_parts ON tenants_tenant USING gin (name_parts(upper(name)))",
            "DROP INDEX tenant_name_parts",
        ),
    ]
