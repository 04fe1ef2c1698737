from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parents[1] / "sql" / "audit_v1.sql"


class Migration(migrations.Migration):
    """Views for auditors and BI (schema audit_v1)."""

    dependencies = [("payments", "0002_facts"), ("core", "0003_audit_v1")]
    operations = [
        migrations.RunSQL(
            SQL.read_text(),
            "DROP VIEW audit_v1.payment, audit_v1.attempt, audit_v1.capture, audit_v1.notification, audit_v1.refund, audit_v1.money_case",
        )
    ]
