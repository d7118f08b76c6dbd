"""Second factors, and the levels of assurance: how well a caller is known."""

from collections.abc import Iterable
from typing import Any, ClassVar, Protocol
from uuid import UUID

from sqlalchemy import Row

AAL1, AAL2 = "aal1", "aal2"  # NIST SP 800-63B


def assurance(methods: Iterable[str]) -> str:
    """Return the level of `methods`, which are values of RFC 8176 such as `pwd`."""
    return AAL2 if {"mfa", "webauthn"}.intersection(methods) else AAL1


class SecondFactor(Protocol):
    """A second factor. `app.api.second_factors` lists all of them."""

    name: ClassVar[str]  # in `users.second_factors` and in responses
    field: ClassVar[str]  # the field of `FactorAnswer`, such as `code`
    methods: ClassVar[tuple[str, ...]]  # values of RFC 8176 that reach `aal2`
    guessable: ClassVar[bool]  # whether wrong answers count against the account
    is_backup: ClassVar[bool]  # counts only if the account has another factor

    async def check(self, user: Row[Any], answer: Any, holder: bytes) -> bool:
        """Whether the answer is right.

        An answer is right only once, also if it is sent twice in parallel.

        `user` is a row of `lookup.ACCOUNT`, which the caller has locked. `holder` is
        the session or the pending login to which a challenge must be bound.
        """

    async def forget(self, user_id: UUID) -> None:
        """Delete all that is stored for this factor of the user."""
