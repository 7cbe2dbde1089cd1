from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0013_missing_resource")]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="set_gone_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When SES was found not to have the configuration set; null once it has it again.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="tenant",
            name="set_read_at",
            field=models.DateTimeField(
                blank=True, help_text="When the set was last read or changed in SES.", null=True
            ),
        ),
        migrations.AddField(
            model_name="tenant",
            name="suppression_read_at",
            field=models.DateTimeField(
                blank=True, help_text="When SES's suppression scope was last read or changed.", null=True
            ),
        ),
        migrations.AddField(
            model_name="tenantresource",
            name="default_set",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="An identity's default configuration set, as last read.",
                max_length=64,
            ),
        ),
    ]
