"""One engine for work on many things: bulk actions become batches, and the batches of pauses become rows of them."""

from collections.abc import Iterator
from typing import Any

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
NOT_ASKED = "It was not asked for: try again."


def move_pauses(apps: Any, schema_editor: Any) -> None:
    old, batch, item = (apps.get_model("operations", name) for name in ("PauseBatch", "Batch", "BatchItem"))
    for pauses in old.objects.all():
        made = batch.objects.create(id=pauses.pk, kind=pauses.kind, words=pauses.words, by_id=pauses.by_id)
        batch.objects.filter(pk=made.pk).update(created_at=pauses.created_at)
        item.objects.bulk_create(_items(item, made, pauses))


def _items(item: Any, batch: Any, pauses: Any) -> Iterator[Any]:
    for number, old in enumerate(pauses.items.order_by("name", "pk"), start=1):
        yield item(
            batch=batch,
            number=number,
            name=old.name,
            tenant_id=old.tenant_id,
            state="done" if old.asked_at else "refused",
            problem="" if old.asked_at else old.problem or NOT_ASKED,
            done_at=old.asked_at,
        )


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
        migrations.AlterField("Batch", "kind", models.CharField(choices=KINDS, max_length=10)),
        migrations.AlterField(
            "BatchItem",
            "name",
            models.CharField(help_text="Of what it is about, which it outlives.", max_length=400),
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
        migrations.RunPython(move_pauses, migrations.RunPython.noop),
        migrations.DeleteModel("PauseBatchItem"),
        migrations.DeleteModel("PauseBatch"),
    ]
