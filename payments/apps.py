from importlib import import_module

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """Payments: orders' debts, attempts at gateways, captures, refunds and money cases."""

    name = "payments"

    def ready(self) -> None:
        """Introduce the app to the floor; its modules need models, which exist only now."""
        import_module("payments.registrations").register()
