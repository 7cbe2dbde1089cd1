"""Imports that run become batches, and batches without pending items are marked as ended."""

from typing import Any

from django.db import migrations
from django.utils import timezone


def mark_ended(apps: Any, schema_editor: Any) -> None:
    batches = apps.get_model("operations", "Batch").objects.filter(ended_at=None)
    batches.exclude(items__state="waiting").update(ended_at=timezone.now())


def continue_imports(apps: Any, schema_editor: Any) -> None:
    """An item for each customer that has a row that is not done. Nobody signed in, if the command line started it."""
    imports, batch, item, row = (
        apps.get_model("operations", name) for name in ("MovingIn", "Batch", "BatchItem", "MovingInRow")
    )
    for moving in imports.objects.filter(state="moving"):
        words = {"because": moving.because} | ({} if moving.by_id else {"by_command": "yes"})
        made = batch.objects.create(id=moving.pk, kind="move_in", words=words, by_id=moving.by_id)
        owners = row.objects.filter(moving_in=moving, done_at=None).order_by("number").values_list("owner", flat=True)
        named = enumerate(dict.fromkeys(owners), start=1)
        item.objects.bulk_create([item(batch=made, number=at, name=owner) for at, owner in named], batch_size=1000)


class Migration(migrations.Migration):
    dependencies = [("operations", "0006_batch_pause")]

    operations = [
        migrations.RunPython(mark_ended, migrations.RunPython.noop),
        migrations.RunPython(continue_imports, migrations.RunPython.noop),
    ]
