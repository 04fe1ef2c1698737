"""What payments tells the floor about itself once, at start: who carries out what two people decided."""

from __future__ import annotations

from config.core import approvals
from payments.services import cases, refunds, resolutions


def register() -> None:
    """Called by PaymentsConfig.ready, once per process."""
    approvals.register_executor(
        refunds.ACTION, refunds.release, current=refunds.current_payload, on_refusal=refunds.give_up
    )
    approvals.register_executor(
        cases.ACTION, resolutions.execute, current=resolutions.current_payload, on_refusal=resolutions.give_up
    )
