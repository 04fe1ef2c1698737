from django.db import migrations

from config.office import roles


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("core", "0001_initial"),
        ("ledger", "0001_initial"),
        ("payments", "0001_initial"),
    ]

    operations = [migrations.RunPython(roles.make, migrations.RunPython.noop)]
