"""One engine for work on many things: bulk actions become batches."""

import django.db.models.deletion
from django.db import migrations, models

KINDS = [
    ("check", "Check again"),
    ("import", "Add"),
    ("transfer", "Transfer"),
    ("hold", "Hold"),
    ("release", "Release"),
    ("delete", "Delete"),
    ("pause", "Pause"),
    ("resume", "Resume"),
    ("decide", "Decide"),
]
STATES = [("waiting", "Waiting"), ("done", "Done"), ("refused", "Not done"), ("stopped", "Stopped")]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("domains", "0001_initial"),
        ("operations", "0002_bulk_stopped"),
        ("tenants", "0001_initial"),
    ]

    operations = [
        migrations.RenameModel("Bulk", "Batch"),
        migrations.RenameModel("BulkItem", "BatchItem"),
        migrations.RenameField("Batch", "action", "kind"),
        migrations.RemoveIndex("BatchItem", "bulk_item_waiting"),
        migrations.RemoveConstraint("BatchItem", "bulk_item_once"),
        migrations.RenameField("BatchItem", "bulk", "batch"),
        migrations.AlterModelOptions(
            "Batch", {"ordering": ("-created_at", "-id"), "verbose_name_plural": "batches"}
        ),
        migrations.AlterModelOptions("BatchItem", {"ordering": ("batch", "number")}),
        migrations.AlterField("Batch", "kind", models.CharField(choices=[('check', 'Check'), ('import', 'Add'), ('transfer', 'Transfer'), ('hold', 'Hold'), ('release', 'Release'), ('delete', 'Delete'), ('pause', 'Pause'), ('resume', 'Resume'), ('decide', 'Resolve')], max_length=10)),
        migrations.AlterField(
            "BatchItem",
            "name",
            models.CharField(help_text='Name of the item, kept after the item is deleted.', max_length=400),
        ),
        migrations.AddField(
            "BatchItem",
            "tenant",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="tenants.tenant"
            ),
        ),
        migrations.AddField(
            "BatchItem",
            "difference",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="operations.difference"
            ),
        ),
        migrations.AddConstraint(
            "BatchItem", models.UniqueConstraint(fields=("batch", "number"), name="batch_item_once")
        ),
        migrations.AddIndex(
            "BatchItem",
            models.Index(condition=models.Q(state="waiting"), fields=["number", "id"], name="batch_item_waiting"),
        ),
    ]
