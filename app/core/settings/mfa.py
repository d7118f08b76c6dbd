"""Second factors."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from app.core.settings.base import AppSettings, split_commas

Roles = Annotated[
    tuple[Literal["user", "editor", "admin"], ...],
    NoDecode,
    BeforeValidator(split_commas),
]


class MfaSettings(AppSettings):
    """Second factors."""

    mfa_required_roles: Roles = ()
    """Roles whose users need a second factor, comma-separated, such as `admin`. After
    MFA_GRACE_DAYS, a user without a second factor can only use the routes of their own
    account, for example to add a factor. Other routes answer 403 `mfa_required`.
    """

    mfa_grace_days: int = Field(7, ge=0, le=90)
    """Days in which a user of MFA_REQUIRED_ROLES can still use all routes without a
    second factor. This period begins with the first request that the user sends in such
    a role. Each account has only one such period. `0`: the service requires the factor
    at once.
    """

    @property
    def mfa_grace(self) -> timedelta:
        return timedelta(days=self.mfa_grace_days)
