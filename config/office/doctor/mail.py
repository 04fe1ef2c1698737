"""E-mail: who sends it, whether they would, and what could not be sent (ACCEPTANCE A66)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from smtplib import SMTPException
from typing import Final

import requests
from django.conf import settings
from django.core.mail import get_connection
from django.utils.translation import gettext as _

from config.office.doctor.finding import Finding, ok, problem, warning
from payments.models import EmailMessageLog

BREVO_URL: Final = "https://api.brevo.com/v3/"
SECONDS: Final = 5.0
FOR_DEVELOPMENT: Final = ("console", "filebased", "locmem", "dummy")


def letters_leave(at: datetime) -> Iterator[Finding]:
    """The way out, then what got stuck on it."""
    part, backend = _("e-mail"), settings.EMAIL_BACKEND.rpartition(".")[0]
    name = backend.rpartition(".")[2]
    if settings.BREVO_API_KEY:
        yield _brevo(part)
    elif name in FOR_DEVELOPMENT:
        words = _("E-mails leave nowhere: the backend is %(name)s.") % {"name": name}
        kind = problem if settings.ENVIRONMENT == "production" else warning
        yield kind(part, words, _("Set BREVO_API_KEY, or EMAIL_BACKEND and its settings."))
    elif name == "smtp":
        yield _smtp(part)
    else:
        yield ok(part, _("sent by %(backend)s") % {"backend": backend})
    if settings.DEFAULT_FROM_EMAIL.endswith("@localhost>"):
        words = _("The sender is %(sender)s: others will refuse it.") % {"sender": settings.DEFAULT_FROM_EMAIL}
        yield warning(part, words, _("Set SENDER_EMAIL to an address of a domain that is yours."))
    dead = EmailMessageLog.objects.filter(status=EmailMessageLog.Status.DEAD).count()
    waiting = EmailMessageLog.objects.filter(status=EmailMessageLog.Status.FAILED).count()
    if dead or waiting:
        told = {"dead": dead, "waiting": waiting}
        words = _("%(dead)d e-mails were given up, %(waiting)d failed and will be tried again.") % told
        yield warning(part, words, _("See the reasons under E-mails in the admin; requeue their dead letters."))


def _brevo(part: str) -> Finding:
    url = str(settings.ANYMAIL.get("BREVO_API_URL") or BREVO_URL)
    try:
        answer = requests.get(f"{url}account", headers={"api-key": settings.BREVO_API_KEY}, timeout=SECONDS)
    except requests.RequestException as error:
        words = _("Brevo does not answer (%(error)s).") % {"error": type(error).__name__}
        return problem(part, words, _("Can this machine reach api.brevo.com? E-mails wait and are tried again."))
    if answer.status_code in (401, 403):
        return problem(
            part, _("Brevo refuses the key."), _("Make a v3 API key and set BREVO_API_KEY; check its allowed IPs.")
        )
    if answer.status_code != 200:
        words = _("Brevo answers %(status)d.") % {"status": answer.status_code}
        return warning(part, words, _("See Brevo's status page."))
    return ok(part, _("Brevo accepts the key"))


def _smtp(part: str) -> Finding:
    try:
        connection = get_connection(timeout=SECONDS)
        connection.open()
        connection.close()
    except (OSError, SMTPException) as error:
        words = _("The mail server does not take us (%(error)s).") % {"error": type(error).__name__}
        return problem(part, words, _("Correct EMAIL_HOST, EMAIL_PORT, user and password."))
    return ok(part, _("the mail server answers"))
