from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parents[1] / "sql" / "append_only.sql"
UNDO = """
DROP TRIGGER attempt_history_is_fact ON payments_attemptevent;
DROP TRIGGER attempt_history_is_not_emptied ON payments_attemptevent;
DROP TRIGGER capture_is_fact ON payments_capture;
DROP TRIGGER captures_are_not_emptied ON payments_capture;
DROP FUNCTION payments_capture_is_fact();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_shop_orders_that_are_owed"), ("core", "0002_pipes")]
    operations = [migrations.RunSQL(SQL.read_text(), UNDO)]
