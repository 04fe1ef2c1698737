from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parents[1] / "sql" / "audit_v1.sql"


class Migration(migrations.Migration):
    """Views for auditors and BI (schema audit_v1)."""

    dependencies = [("ledger", "0001_initial"), ("core", "0003_audit_v1")]
    operations = [migrations.RunSQL(SQL.read_text(), "DROP VIEW audit_v1.ledger_entry, audit_v1.account_balance")]
