from django.apps import AppConfig


class CoreConfig(AppConfig):
    """The floor: plumbing that all apps stand on."""

    name = "config.core"
    label = "core"

    def ready(self) -> None:
        """Say how dead letters of the floor's own sources are taken up again, what a scrape asks, and what may go."""
        from config.core import approvals, deadletters, gauges, metrics, outbox  # models exist only now
        from config.core.retention import own

        deadletters.register_requeue(outbox.SOURCE, outbox.unpark)
        deadletters.register_requeue(approvals.SOURCE, approvals.retry)
        metrics.register_gauges(gauges.read)
        own.register()
