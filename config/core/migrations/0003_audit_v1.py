from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parents[1] / "sql" / "audit_v1.sql"


class Migration(migrations.Migration):
    """Views for auditors and BI (schema audit_v1)."""

    dependencies = [("core", "0002_pipes")]
    operations = [migrations.RunSQL(SQL.read_text(), "DROP SCHEMA audit_v1 CASCADE")]
