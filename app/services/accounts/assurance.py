"""How sure the service is of who is calling: levels, and second factors."""

from collections.abc import Iterable
from typing import Any, ClassVar, Protocol
from uuid import UUID

from sqlalchemy import Row

AAL1, AAL2 = "aal1", "aal2"  # NIST SP 800-63B


def assurance(methods: Iterable[str]) -> str:
    """Return the level that the methods of RFC 8176 reach together."""
    return AAL2 if {"mfa", "webauthn"}.intersection(methods) else AAL1


class SecondFactor(Protocol):
    """A second factor. `app.api.second_factors` lists all of them."""

    name: ClassVar[str]  # in `users.second_factors` and in answers
    field: ClassVar[str]  # of `FactorAnswer`, such as `code`
    methods: ClassVar[tuple[str, ...]]  # of RFC 8176; they reach `aal2`
    guessable: ClassVar[bool]  # whether wrong answers count against the account
    is_backup: ClassVar[bool]  # whether it is only for accounts that have another one

    async def check(self, user: Row[Any], answer: Any, holder: bytes) -> bool:
        """Whether the answer is right. It works once, also for parallel requests.

        `user` is a row of `lookup.ACCOUNT`, which the caller has locked. `holder` is
        the session or the pending login that a challenge must be bound to.
        """

    async def forget(self, user_id: UUID) -> None:
        """Delete all that is stored for this factor of the user."""
