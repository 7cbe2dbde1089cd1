"""Models of imports and drift checks get their present names. In the database nothing changes.

Tables, columns, the constraint and the index keep their names, so the version before runs on the same tables.
"""

import django.db.models.deletion
from django.db import migrations, models

RESULTS = [
    ("new", "New"),
    ("claim", "Ownership not proven"),
    ("same", "Unchanged"),
    ("changes", "Changes"),
    ("unneeded", "Not needed"),
    ("refused", "Rejected"),
    ("failed", "Failed"),
]


class Migration(migrations.Migration):
    dependencies = [("operations", "0008_look_place")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveIndex("MovingInRow", "moving_in_by_fate"),
                migrations.RemoveConstraint("MovingInRow", "moving_in_row_once"),
                migrations.RenameModel("DriftLook", "DriftCheck"),
                migrations.AlterModelTable("DriftCheck", "operations_driftlook"),
                migrations.RenameModel("MovingIn", "LegacyImport"),
                migrations.RenameModel("MovingInRow", "LegacyImportRow"),
                migrations.AlterModelTable("LegacyImport", "operations_movingin"),
                migrations.AlterModelTable("LegacyImportRow", "operations_movinginrow"),
                migrations.RenameField("LegacyImportRow", "moving_in", "legacy_import"),
                migrations.RenameField("LegacyImportRow", "fate", "result"),
                migrations.AlterField(
                    "LegacyImportRow",
                    "legacy_import",
                    models.ForeignKey(
                        db_column="moving_in_id",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rows",
                        to="operations.legacyimport",
                    ),
                ),
                migrations.AlterField(
                    "LegacyImportRow",
                    "result",
                    models.CharField(blank=True, choices=RESULTS, db_column="fate", max_length=10),
                ),
                migrations.AlterModelOptions("LegacyImportRow", {"ordering": ("legacy_import", "number")}),
                migrations.AddConstraint(
                    "LegacyImportRow",
                    models.UniqueConstraint(fields=("legacy_import", "number"), name="moving_in_row_once"),
                ),
                migrations.AddIndex(
                    "LegacyImportRow",
                    models.Index(fields=["legacy_import", "result", "number"], name="moving_in_by_fate"),
                ),
            ]
        )
    ]
