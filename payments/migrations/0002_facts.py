from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parents[1] / "sql"
UNDO = """
DROP TRIGGER attempt_history_is_fact ON payments_attemptevent;
DROP TRIGGER attempt_history_is_not_emptied ON payments_attemptevent;
DROP TRIGGER capture_is_fact ON payments_capture;
DROP TRIGGER captures_are_not_emptied ON payments_capture;
DROP FUNCTION payments_capture_is_fact();
"""


class Migration(migrations.Migration):
    """What the database itself refuses about facts; and no index that nothing uses."""

    dependencies = [("payments", "0001_initial"), ("core", "0002_pipes")]
    operations = [
        migrations.RunSQL((SQL / "append_only.sql").read_text(), UNDO),
        migrations.RunSQL((SQL / "lean_indexes.sql").read_text(), migrations.RunSQL.noop),
    ]
