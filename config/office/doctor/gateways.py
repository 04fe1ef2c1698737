"""Gateway accounts: they can be built, they answer, and what they tell us arrives (ACCEPTANCE A63)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.utils.translation import gettext as _

from config.core.breaker import State
from config.core.crypto import CannotDecrypt
from config.office.doctor.finding import Finding, ok, problem, warning
from gateways.errors import GatewayError
from payments import links
from payments.models import Attempt, BreakerOverride, GatewayAccount, Notification
from payments.services import accounts, breakers, gateway_watch
from payments.services.gateway_watch import Verdict

SILENCE_AFTER: Final = timedelta(minutes=30)
"""A customer may take so long; attempts younger than that say nothing about notifications."""
LOOK_BACK: Final = timedelta(hours=24)
SUSPICIOUS: Final = 5
"""So many attempts without a single notification are no coincidence."""


def accounts_work(at: datetime) -> Iterator[Finding]:
    """Each enabled account, by a harmless question about a payment that nobody made."""
    enabled = list(GatewayAccount.objects.filter(is_enabled=True).order_by("code"))
    if not enabled:
        remedy = _(
            "Set the keys of one (PARTNER_CODE_MOMO ...) and run `manage.py ensure_methods`, or add one in the admin."
        )
        yield warning(_("gateways"), _("No gateway account is enabled: nobody can pay."), remedy)
    for account in enabled:
        part = _("gateway %(code)s") % {"code": account.code}
        try:
            gateway = accounts.adapter_of(account)
        except CannotDecrypt as error:
            yield problem(part, str(error), _("Put the key it was stored under back into ENCRYPTION_KEYS."))
            continue
        except (GatewayError, ValueError) as error:
            yield problem(part, _("Its settings are unusable: %(error)s") % {"error": error}, _("Correct the account."))
            continue
        if gateway.notifies:
            yield _question(part, account, at)
        else:
            yield ok(part, _("needs no provider"))


def _question(part: str, account: GatewayAccount, at: datetime) -> Finding:
    answer = gateway_watch.ask(account, at=at)
    if answer.verdict is Verdict.SILENT:
        remedy = _("Can this machine reach it? See its endpoint, the firewall and the provider's status page.")
        return problem(part, _("It does not answer: %(error)s") % {"error": answer.text}, remedy)
    if answer.verdict is Verdict.REFUSED:
        return problem(part, _("It refuses us: %(error)s") % {"error": answer.text}, _("Correct the account's keys."))
    if answer.verdict is Verdict.FINE:
        return ok(part, _("answers, and accepts our signature"))
    words = _("It answered oddly: %(answer)s") % {"answer": answer.text}
    return warning(part, words, _("Compare keys and mode (test or live)."))


def breakers_are_closed(at: datetime) -> Iterator[Finding]:
    """Each gateway's circuit breaker: what it came to by itself, and what somebody holds it at."""
    gateways = set(GatewayAccount.objects.filter(is_enabled=True).values_list("gateway", flat=True))
    held = {one.gateway: one for one in BreakerOverride.objects.filter(until__gt=at)}
    for gateway, found in sorted(breakers.look(gateways).items()):
        part = _("breaker of %(gateway)s") % {"gateway": gateway}
        by_hand = held.get(gateway)
        if by_hand is not None:
            told = {"state": by_hand.get_state_display(), "who": by_hand.set_by, "reason": by_hand.reason}
            told["until"] = by_hand.until.isoformat(timespec="minutes")
            words = _("Held %(state)s by %(who)s until %(until)s: %(reason)s") % told
            yield warning(part, words, _("Release it under Gateways in the admin when it is no longer needed."))
        elif found.state is State.CLOSED:
            yield ok(part, _("closed"))
        else:
            words = _("Open: payments by it are refused or go another way, questions and refunds wait.")
            remedy = _(
                "It closes by itself within a minute of the gateway's return; see docs/runbooks/gateway-down.md."
            )
            yield problem(part, words, remedy)


def notifications_arrive(at: datetime) -> Iterator[Finding]:
    """Where gateways call us, when they last did, and whether they are silent while customers pay."""
    for account in GatewayAccount.objects.filter(is_enabled=True).order_by("code"):
        try:
            notifies = accounts.adapter_of(account).notifies
        except (CannotDecrypt, GatewayError, ValueError):
            continue  # told by accounts_work
        if notifies:
            yield from _notifications_of(account, at)


def _notifications_of(account: GatewayAccount, at: datetime) -> Iterator[Finding]:
    part, url = _("notifications of %(code)s") % {"code": account.code}, links.gateway_notify(account)
    if links.is_private(url):
        words = _("The gateway cannot call %(url)s: nobody outside reaches this address.") % {"url": url}
        remedy = _(
            "Set PUBLIC_URL (or IPNURL) to a public https address, in tests a tunnel's. Polling fills in meanwhile."
        )
        is_remote = not links.is_at_a_sandbox(account)
        kind = problem if settings.ENVIRONMENT == "production" else warning
        if is_remote:
            yield kind(part, words, remedy)
    last = Notification.objects.filter(account=account).order_by("-received_at").first()
    since = max(at - LOOK_BACK, last.received_at if last else at - LOOK_BACK)
    silent = Attempt.objects.filter(account=account, created_at__gt=since, created_at__lt=at - SILENCE_AFTER).count()
    told = {"count": silent, "last": last.received_at.isoformat(timespec="minutes") if last else _("never")}
    if silent >= SUSPICIOUS:
        words = _("Silence: %(count)d attempts since the last notification (%(last)s).") % told
        remedy = _("Check the notification address at the provider, the firewall and the proxy's log.")
        yield problem(part, words, remedy)
    else:
        yield ok(part, _("last one: %(last)s") % told)
