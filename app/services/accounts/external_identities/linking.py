"""Linking, listing and removing the identities of an account."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError

from app.core.errors import Conflict, NotFound
from app.core.passwords.hashing import is_usable
from app.core.tokens.cursor import CursorSigner
from app.db.models.external_identity import ExternalIdentity
from app.db.reads import ReadSession
from app.schemas.external_identity import ExternalSignInFinish
from app.schemas.page import PageParameters
from app.services.accounts.external_identities.signing_in import ExternalSignIns
from app.services.accounts.principal import Principal, lock_caller
from app.services.listing import Listing, Order, RowPage

IDENTITY = ExternalIdentity.__table__.c
IDENTITIES_OF_USER = Listing(
    select(
        IDENTITY.id,
        IDENTITY.provider,
        IDENTITY.email,
        IDENTITY.created_at,
        IDENTITY.last_used_at,
    ).where(IDENTITY.user_id == bindparam("user")),
    Order(IDENTITY.created_at, IDENTITY.id, descending=True),
    name="external identities of {user}",
)


class IdentityTaken(Conflict):
    """The identity is linked already, to your account or to another one."""

    code = "identity_taken"
    detail = "This identity is linked to an account already."


class EmailUnverified(Conflict):
    """The e-mail address of the account must be confirmed first."""

    code = "email_unverified"
    detail = "Confirm your e-mail address first, by the link in the mail."


class IdentityNotFound(NotFound):
    """The caller has no identity with this id."""

    code = "identity_not_found"
    detail = "You have no identity with this id."


class LastWayToSignIn(Conflict):
    """After this change, the account would have no way to sign in."""

    code = "last_way_to_sign_in"
    detail = (
        "Without this identity you could not sign in. First choose a password by "
        "`/auth/password/forgot`, or link another identity."
    )


@dataclass(slots=True)
class ExternalIdentities:
    read: ReadSession
    cursors: CursorSigner
    sign_ins: ExternalSignIns

    async def page(self, user_id: UUID, query: PageParameters) -> RowPage:
        return await IDENTITIES_OF_USER.page(
            self.read, self.cursors, query, user=user_id
        )

    async def finish(
        self, caller: Principal, name: str, data: ExternalSignInFinish
    ) -> ExternalIdentity:
        """Link the identity, whose e-mail address can differ from that of the account.

        The address of the account must be confirmed first. Otherwise an attacker could
        register with the address of another person, link an identity, and still sign in
        with it after this person has taken over the account.
        """
        person = await self.sign_ins.identify(name, data, caller.user_id)
        user = await lock_caller(self.sign_ins.session, caller)
        if not user.email_verified:
            raise EmailUnverified
        try:
            return await self.sign_ins.link(
                person, user.id, user.email, keep=caller.session_id
            )
        except IntegrityError as error:
            # The account is locked, so only the unique key of the identity can fail.
            raise IdentityTaken from error

    async def remove(self, caller: Principal, identity_id: UUID) -> None:
        # Without the lock, two requests at the same time could remove the last two
        # identities.
        user = await lock_caller(self.sign_ins.session, caller)
        mine = select(ExternalIdentity).where(ExternalIdentity.user_id == user.id)
        found = await self.sign_ins.session.scalars(mine)
        identities = {each.id: each for each in found}
        identity = identities.pop(identity_id, None)
        if identity is None:
            raise IdentityNotFound
        usable = self.sign_ins.providers
        others = [each for each in identities.values() if each.provider in usable]
        if not others and not is_usable(user.password_hash):
            raise LastWayToSignIn
        await self.sign_ins.session.delete(identity)
        await self.sign_ins.changes.announce(
            caller,
            "account.identity.removed",
            f"You can no longer sign in with an identity of {identity.provider}.",
            provider=identity.provider,
        )
