from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("domains", "0008_adoption_roles")]
    operations = [
        migrations.AddIndex(
            model_name="domain",
            index=models.Index(fields=("name", "id"), name="domain_by_name"),
        ),
        migrations.AddIndex(
            model_name="domain",
            index=models.Index(
                fields=("customer", "stage", "identity_status", "dkim_status", "verified_at", "has_catch_all"),
                name="domain_counted",
            ),
        ),
    ]
