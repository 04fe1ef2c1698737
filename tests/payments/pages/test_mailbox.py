"""The demo's mailbox shows letters in a box that lets nothing out, and is nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.test import Client


@pytest.fixture
def mailbox(settings: Any, tmp_path: Path) -> Path:
    settings.ENVIRONMENT = "development"
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    message = EmailMultiAlternatives("Biên nhận <b>", "phần văn bản", "a@shop.example", ["lan@example.com"])
    message.attach_alternative("<p>xin chào</p><script>alert(1)</script>", "text/html")
    message.send()
    return tmp_path


@pytest.mark.django_db
def test_letters_are_listed_and_shown_in_a_box(mailbox: Path) -> None:
    client = Client()
    (file,) = mailbox.glob("*.log")

    listing = client.get("/mailbox")
    shown = client.get(f"/mailbox/{file.stem}.0")
    framed = client.get(f"/mailbox/{file.stem}.0/html")

    assert "Biên nhận &lt;b&gt;" in listing.content.decode() and "lan@example.com" in listing.content.decode()
    assert "phần văn bản" in shown.content.decode()
    assert b'<iframe sandbox="allow-popups allow-popups-to-escape-sandbox"' in shown.content
    assert "xin chào" in framed.content.decode()
    assert "script-src" not in framed["Content-Security-Policy"]
    assert "sandbox allow-popups" in framed["Content-Security-Policy"]
    assert framed["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["../../etc/passwd.0", "..%2f..%2fetc%2fpasswd.0", "nothing.0", "x.9999", "x"])
def test_nothing_else_can_be_read_through_it(mailbox: Path, name: str) -> None:
    assert Client().get(f"/mailbox/{name}").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("environment", ["test", "staging", "production"])
def test_it_is_there_in_development_only(mailbox: Path, settings: Any, environment: str) -> None:
    settings.ENVIRONMENT = environment
    (file,) = mailbox.glob("*.log")

    for path in ("/mailbox", f"/mailbox/{file.stem}.0", f"/mailbox/{file.stem}.0/html"):
        assert Client().get(path).status_code == 404
