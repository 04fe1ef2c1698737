"""Settings, the web process and the disk: what surrounds the product."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.utils.translation import gettext as _

from config.office.doctor.finding import Finding, ok, problem, warning

WEB_SECONDS: Final = 5.0
LOW_DISK_BYTES: Final = 2 * 1024**3
LOW_DISK_SHARE: Final = 0.1
FULL_DISK_BYTES: Final = 256 * 1024**2


def settings_are_safe(at: datetime) -> Iterator[Finding]:
    """What the start accepts and production should not have."""
    part, is_live = _("settings"), settings.ENVIRONMENT == "production"
    told: list[Finding] = []
    if len(set(settings.SECRET_KEY)) < 10:
        told.append(problem(part, _("SECRET_KEY repeats a few characters."), _("Make a random one of 50 characters.")))
    for issuer, how in settings.JWT_ISSUERS.items():
        secret = str(how.get("secret", ""))
        if secret and (len(secret.encode()) < 32 or len(set(secret)) < 10):
            words = _("The shared secret of the token issuer %(issuer)s is weak.") % {"issuer": issuer}
            told.append(problem(part, words, _("Use 32 random bytes or more, or the issuer's public keys.")))
    if not settings.JWT_ISSUERS:
        told.append(problem(part, _("No token issuer is configured."), _("Set JWT_ISSUERS or JWT_SECRET.")))
    if settings.DEBUG:
        told.append(problem(part, _("DEBUG is on."), _("Use config.settings.prod.")))
    if is_live and urlsplit(settings.PUBLIC_URL).scheme != "https":
        told.append(problem(part, _("PUBLIC_URL is not https."), _("Set it to the address that customers see.")))
    if is_live and not settings.METRICS_TOKEN:
        told.append(warning(part, _("METRICS_TOKEN is not set."), _("Set it, or let the scraper use an API key.")))
    if settings.FAULTPOINT:
        told.append(problem(part, _("FAULTPOINT is set: processes will die there."), _("Unset it.")))
    yield from told or [ok(part, _("complete, for %(environment)s") % {"environment": settings.ENVIRONMENT})]


def web(at: datetime) -> Iterator[Finding]:
    """Whether the web process answers where customers and gateways look for it."""
    part, url = _("web"), f"{settings.PUBLIC_URL}/health"
    try:
        answer = requests.get(url, timeout=WEB_SECONDS)
    except requests.RequestException as error:
        words = _("%(url)s does not answer (%(error)s).") % {"url": url, "error": type(error).__name__}
        yield problem(part, words, _("Start the web process, or correct PUBLIC_URL, DNS or the proxy."))
        return
    try:
        body = answer.json()
        status, build = str(body["status"]), str(body["build"])
    except (requests.JSONDecodeError, KeyError, TypeError):
        words = _("%(url)s answers %(status)d, and it is not this product.") % {
            "url": url,
            "status": answer.status_code,
        }
        yield problem(part, words, _("Correct PUBLIC_URL, or what the proxy sends there."))
        return
    if build != settings.BUILD_ID:
        words = _("%(url)s runs build %(build)s, this is %(ours)s.") % {
            "url": url,
            "build": build,
            "ours": settings.BUILD_ID,
        }
        yield warning(part, words, _("Finish the deployment, so that all processes are of one build."))
    if status == "ok":
        yield ok(part, _("%(url)s answers") % {"url": url})
    else:
        yield warning(part, _("%(url)s says: %(word)s") % {"url": url, "word": status}, _("See the stores here."))


def disk(at: datetime) -> Iterator[Finding]:
    """Room on the disks that this process writes to; the server's own disk is watched where the server runs."""
    places = {Path(settings.BASE_DIR), Path(tempfile.gettempdir())}
    for place in sorted({path.resolve() for path in places}):
        usage = shutil.disk_usage(place)
        told = {"place": str(place), "free": f"{usage.free / 1024**3:.1f}"}
        if usage.free < FULL_DISK_BYTES:
            yield problem(_("disk"), _("%(place)s is full: %(free)s GB are free.") % told, _("Make room now."))
        elif usage.free < LOW_DISK_BYTES or usage.free < LOW_DISK_SHARE * usage.total:
            yield warning(_("disk"), _("%(place)s is nearly full: %(free)s GB are free.") % told, _("Make room soon."))
        else:
            yield ok(_("disk"), _("%(free)s GB free at %(place)s") % told)
