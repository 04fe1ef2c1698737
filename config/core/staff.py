"""People who work in the back office: made, given roles, stopped. Nobody changes their own rights (RELIABILITY T27)."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from config.core import audit
from config.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from config.core.models import User


class OwnRightsRefused(Forbidden):
    """A person's rights are changed by somebody else, superusers included."""

    code, status = "own_rights_refused", 403


class RightsNotPermitted(Forbidden):
    """Only a superuser gives roles or makes superusers."""

    code, status = "rights_not_permitted", 403


class EmailTaken(Conflict):
    """One person is one account."""

    code, status = "email_taken", 409


@transaction.atomic(durable=True)
def create(*, email: str, name: str, password: str, groups: Iterable[Group], language: str, by: User) -> User:
    """A new member of staff with roles. Raises RightsNotPermitted, EmailTaken, InvalidInput for a weak password."""
    roles = list(groups)
    if roles and not by.is_superuser:
        raise RightsNotPermitted("Only a superuser gives roles.", field="groups")
    if User.objects.filter(email__iexact=email).exists():
        raise EmailTaken("Somebody has this e-mail address.", field="email")
    _check_password(password, User(email=email, name=name))
    user = User.objects.create_user(email, password, name=name, language=language)
    user.groups.set(roles)
    _record(by, user, "user.created", "", after={"email": user.email, "groups": _names(roles)})
    return user


@transaction.atomic(durable=True)
def change_rights(*, user_id: int, groups: Iterable[Group], is_superuser: bool, by: User, reason: str) -> User:
    """Set a person's roles. Raises OwnRightsRefused, RightsNotPermitted, NotFound."""
    user = _other(user_id, by)
    if not by.is_superuser:
        raise RightsNotPermitted("Only a superuser gives roles.")
    roles = list(groups)
    before = {"groups": _names(user.groups.all()), "is_superuser": user.is_superuser}
    user.groups.set(roles)
    user.is_superuser = is_superuser
    user.save(update_fields=["is_superuser"])
    after = {"groups": _names(roles), "is_superuser": is_superuser}
    _record(by, user, "user.rights_changed", reason, before=before, after=after)
    return user


@transaction.atomic(durable=True)
def set_active(*, user_id: int, is_active: bool, by: User, reason: str) -> User:
    """Stop a person, or let them in again; their sessions end with their next request. Raises as change_rights."""
    user = _other(user_id, by)
    if user.is_superuser and not by.is_superuser:
        raise RightsNotPermitted("Only a superuser stops a superuser.")
    user.is_active = is_active
    user.save(update_fields=["is_active"])
    _record(by, user, "user.activated" if is_active else "user.deactivated", reason)
    return user


@transaction.atomic(durable=True)
def set_password(*, user_id: int, password: str, by: User, reason: str) -> User:
    """A new first password for somebody else; their sessions end. Raises as change_rights, and InvalidInput."""
    user = _other(user_id, by)
    if user.is_superuser and not by.is_superuser:
        raise RightsNotPermitted("Only a superuser sets a superuser's password.")
    _check_password(password, user)
    user.set_password(password)
    user.save(update_fields=["password"])
    _record(by, user, "user.password_set", reason)
    return user


def _other(user_id: int, by: User) -> User:
    if user_id == by.pk:
        raise OwnRightsRefused("Somebody else has to change your own account.")
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise NotFound("There is no such user.")
    return user


def _check_password(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages), field="password") from error


def _names(groups: Iterable[Group]) -> list[str]:
    return sorted(group.name for group in groups)


def _record(by: User, user: User, action: str, reason: str, **values: dict[str, object]) -> None:
    audit.record(
        actor=f"user:{by.email}", action=action, object_type="user", object_id=str(user.pk), reason=reason, **values
    )
