"""A word to the workers that there is work, so that nobody waits for beat. It may be lost: the work itself is a row."""

from __future__ import annotations

from functools import cache
from typing import Final
from urllib.parse import urlsplit

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

PATIENCE_SECONDS: Final = 1.0
"""So long a request may wait for a broker that is away; without a limit Celery would try for ever."""
WORTH_SECONDS: Final = 30
"""After that beat has found the work by itself."""

log = structlog.get_logger(__name__)


def worker(task: str, *arguments: str) -> None:
    """Have a worker run a task now. Where no broker can be reached, nothing happens and a line is logged."""
    try:
        _sender().send_task(task, args=arguments, expires=WORTH_SECONDS, retry=False, ignore_result=True)
    except OperationalError as error:
        log.warning("worker_not_told", task=task, error=str(error))


@cache
def _sender() -> Celery:
    """Celery as it is needed to send: web processes run no tasks, and the roof that knows them all is above us."""
    app = Celery("reckoner-sender", set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    options: dict[str, float] = {"max_retries": 0}
    if urlsplit(str(app.conf.broker_url)).scheme.startswith("redis"):
        options |= {"socket_connect_timeout": PATIENCE_SECONDS, "socket_timeout": PATIENCE_SECONDS}
    app.conf.update(
        broker_transport_options=options, broker_connection_timeout=PATIENCE_SECONDS, task_always_eager=False
    )
    return app
