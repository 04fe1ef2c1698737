"""Files that staff upload, look at and then confirm: between preview and deed a file is kept for an hour."""

from __future__ import annotations

import hashlib
import re
from typing import Any, ClassVar, Final

from django import forms
from django.core.cache import cache
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core.admin.cells import Text
from config.core.admin.deeds import DeedForm

MAX_UPLOAD: Final = 5 * 1024 * 1024
KEPT_SECONDS: Final = 3600
SHOWN: Final = 500
"""So many lines a preview shows."""


class KeptFileForm(DeedForm):
    """A file that need not be chosen again after its preview; only who uploaded it finds it."""

    file = forms.FileField()
    kept = forms.CharField(required=False, widget=forms.HiddenInput)
    shelf: ClassVar[str]
    """Where such files are kept: one name for each kind."""
    missing: ClassVar[Text] = _("Choose a file.")

    def prepare(self) -> None:
        """A kept file will do."""
        self.fields["file"].required = not self.data.get("kept")

    def clean(self) -> dict[str, Any]:
        """Content and name of the file, of this request or of the preview before it."""
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        upload = data.get("file")
        if upload is not None:
            if upload.size > MAX_UPLOAD:
                raise forms.ValidationError({"file": _("The file is too large.")})
            data["content"], data["name"] = upload.read(), upload.name
            self._keep(data["content"], data["name"])
        else:
            data["content"], data["name"] = self._kept(data.get("kept", ""))
        return data

    def _keep(self, content: bytes, name: str) -> None:
        token = hashlib.sha256(content).hexdigest()
        cache.set(self._key(token), (content, name), KEPT_SECONDS)
        self.data = {**self.data.dict(), "kept": token}  # type: ignore[attr-defined]  # a POST; no field has two values
        self["file"].help_text = _t("%(name)s is at hand; choose a file only to take another.") % {"name": name}

    def _kept(self, token: str) -> tuple[bytes, str]:
        found = cache.get(self._key(token)) if re.fullmatch(r"[0-9a-f]{64}", token) else None
        if found is None:
            raise forms.ValidationError({"file": self.missing})
        return found[0], found[1]

    def _key(self, token: str) -> str:
        return f"{self.shelf}:{self.user.pk if self.user else ''}:{token}"
