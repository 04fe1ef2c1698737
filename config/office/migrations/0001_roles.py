from django.contrib.auth.management import create_permissions
from django.contrib.contenttypes.management import create_contenttypes
from django.db import migrations

from config.office import roles


def make_roles(apps, schema_editor):
    """Django makes permissions only after all migrations; roles need them now."""
    for app in apps.get_app_configs():
        if app.label not in roles.APPS:
            continue
        app.models_module = True
        create_contenttypes(app, apps=apps, verbosity=0)
        create_permissions(app, apps=apps, verbosity=0)
        app.models_module = None
    roles.ensure(apps.get_model("auth", "Group"), apps.get_model("auth", "Permission"))


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("core", "0001_initial"),
        ("ledger", "0001_initial"),
        ("payments", "0001_initial"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
