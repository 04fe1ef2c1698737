from django.apps import AppConfig


class CoreConfig(AppConfig):
    """The floor: plumbing that all apps stand on."""

    name = "config.core"
    label = "core"
