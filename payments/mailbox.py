"""The demo's mailbox: the e-mails that were written to files, as a list and one by one. Only in development."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Final, TypeAlias

from csp.decorators import csp
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

NEWEST: Final = 200
_SEPARATOR: Final = re.compile(rb"^-{79}\r?\n", re.MULTILINE)  # what the file backend writes between messages
_NAME: Final = re.compile(r"([A-Za-z0-9-]{1,100})\.(\d{1,4})")

PAGE_POLICY: Final[dict[str, list[str]]] = {
    "default-src": ["'none'"],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "frame-src": ["'self'"],
    "base-uri": ["'none'"],
    "form-action": ["'none'"],
    "frame-ancestors": ["'none'"],
}
LETTER_POLICY: Final[dict[str, list[str]]] = {
    "default-src": ["'none'"],
    "style-src": ["'unsafe-inline'"],  # letters have no style sheets; nothing else of theirs is allowed to run
    "img-src": ["data:"],
    "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
    "frame-ancestors": ["'self'"],
}

View: TypeAlias = Callable[..., HttpResponse]
for_pages: Final[Callable[[View], View]] = csp(PAGE_POLICY)
for_letters: Final[Callable[[View], View]] = csp(LETTER_POLICY)


@dataclass(frozen=True, slots=True)
class Mail:
    """One e-mail in the box."""

    name: str
    written_at: datetime
    message: EmailMessage

    @property
    def subject(self) -> str:
        """Its subject."""
        return str(self.message["subject"] or "")

    @property
    def recipient(self) -> str:
        """To whom."""
        return str(self.message["to"] or "")

    @property
    def text(self) -> str:
        """Its text part."""
        return self._part("plain")

    @property
    def html(self) -> str:
        """Its HTML part."""
        return self._part("html")

    def _part(self, kind: str) -> str:
        part = self.message.get_body(preferencelist=(kind,))
        return str(part.get_content()) if part is not None else ""


@require_safe
@for_pages
def listing(request: HttpRequest) -> HttpResponse:
    """All e-mails, newest first."""
    files = sorted(_folder().glob("*.log"), key=lambda file: file.stat().st_mtime, reverse=True)[:NEWEST]
    mails = [mail for file in files for mail in _mails(file)]
    return render(request, "pay/mailbox.html", {"mails": mails, "folder": _folder()})


@require_safe
@for_pages
def message(request: HttpRequest, name: str) -> HttpResponse:
    """One e-mail: who, what, and how it looks."""
    return render(request, "pay/mailbox_message.html", {"mail": _find(name)})


@require_safe
@xframe_options_sameorigin
@for_letters
def message_html(request: HttpRequest, name: str) -> HttpResponse:
    """The HTML of one e-mail, for the frame that shows it."""
    return HttpResponse(_find(name).html)


def _folder() -> Path:
    if settings.ENVIRONMENT != "development" or not settings.EMAIL_FILE_PATH:
        raise Http404
    return Path(settings.EMAIL_FILE_PATH)


def _find(name: str) -> Mail:
    folder, found = _folder(), _NAME.fullmatch(name)
    file = folder / f"{found[1]}.log" if found else None
    if file is None or not file.is_file():
        raise Http404
    mail = next((mail for mail in _mails(file) if mail.name == name), None)
    if mail is None:
        raise Http404
    return mail


def _mails(file: Path) -> list[Mail]:
    written_at = datetime.fromtimestamp(file.stat().st_mtime, tz=UTC)
    parts = [part for part in _SEPARATOR.split(file.read_bytes()) if part.strip()]
    return [
        Mail(
            name=f"{file.stem}.{number}",
            written_at=written_at,
            message=email.message_from_bytes(part, policy=email.policy.default),
        )
        for number, part in enumerate(parts)
    ]
