"""Sign-in with a provider: finds the account of an identity, or makes one."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.email_address import canonical_email
from app.core.errors import Unauthorized
from app.core.passwords.hashing import unusable_hash
from app.core.settings.security import SecuritySettings
from app.db.base import utc_now
from app.db.models.external_identity import ExternalIdentity
from app.db.models.user import User
from app.db.session import Database
from app.schemas.auth import TokenPair
from app.schemas.external_identity import ExternalSignInFinish, ExternalSignInStarted
from app.schemas.second_factor import SecondFactorRequired
from app.schemas.user import UserRegister
from app.services.accounts.external_identities import attempts
from app.services.accounts.external_identities.providers import (
    Person,
    ProviderAnswerInvalid,
    Providers,
)
from app.services.accounts.lookup import ACCOUNT, SELECT_BY_EMAIL, USER
from app.services.accounts.sessions import Client
from app.services.accounts.sign_in import SignIn, SignInChanges
from app.services.accounts.users import EmailTaken, UserService
from app.services.audit import record

IDENTITY = ExternalIdentity.__table__.c
LOCK_BY_IDENTITY = (
    ACCOUNT.join(ExternalIdentity, IDENTITY.user_id == USER.id)
    .where(
        IDENTITY.provider == bindparam("provider"),
        IDENTITY.issuer == bindparam("issuer"),
        IDENTITY.subject == bindparam("subject"),
    )
    .with_for_update(of=User)
)
LOCK_BY_EMAIL = SELECT_BY_EMAIL.with_for_update()


class IdentityUnknown(Unauthorized):
    """The service has no account to which this identity can sign in."""

    code = "identity_unknown"
    detail = (
        "No account can be used with this identity. Sign in to your account in another "
        "way, or register, and then link the identity. If you have no password, choose "
        "one by `/auth/password/forgot`."
    )
    keeps_changes = True  # the audit event

    def __init__(self, reason: str, subject: UUID | None = None) -> None:
        super().__init__()
        self.reason, self.subject = reason, subject  # for the audit trail only


@dataclass(slots=True)
class ExternalSignIns:
    """Signs users in by an identity of a provider.

    The service asks the provider before the first statement of the transaction, because
    a transaction holds a connection.
    """

    session: AsyncSession
    database: Database
    settings: SecuritySettings
    providers: Providers
    sign_in: SignIn
    changes: SignInChanges
    users: UserService

    async def start(
        self, name: str, user_id: UUID | None = None
    ) -> ExternalSignInStarted:
        """Begin a sign-in. With `user_id`, begin to link an identity to the account."""
        client = self.providers[name]
        attempt = attempts.begin(self.session, name, user_id)
        return ExternalSignInStarted(
            authorization_url=await client.authorization_url(attempt),
            transaction=attempt.transaction,
            expires_in=int(attempts.LIFETIME.total_seconds()),
        )

    async def finish(
        self, name: str, data: ExternalSignInFinish, client: Client
    ) -> TokenPair | SecondFactorRequired:
        person = await self.identify(name, data)
        try:
            user = await self._find_or_add(person)
        except IdentityUnknown as refusal:
            self._record_failure(name, refusal.reason, refusal.subject)
            raise
        return await self.sign_in.complete(
            user, client, person.methods, provider=person.provider
        )

    async def identify(
        self, name: str, data: ExternalSignInFinish, user_id: UUID | None = None
    ) -> Person:
        """Use up the sign-in that `start` began. Ask the provider who has signed in."""
        client = self.providers[name]
        attempt = await attempts.redeem(self.database, data, name, user_id)
        try:
            return await client.identify(data.code, data.iss, attempt)
        except ProviderAnswerInvalid as refusal:
            self._record_failure(name, refusal.reason, user_id)
            raise

    async def _find_or_add(self, person: Person) -> Row[Any]:
        """Return the locked row of the person's account.

        If the identity is new, another request can add it at the same moment. This
        request then cannot add the identity, but finds it in its second search.
        """
        for is_last in (False, True):
            user = await self._find(person)
            if user is not None:
                return user
            try:
                async with self.session.begin_nested():
                    await self._add(person)
            except (EmailTaken, IntegrityError):
                if is_last:
                    raise
        found = await self._find(person)
        assert found is not None  # noqa: S101 - the loop has added the identity
        return found

    async def _find(self, person: Person) -> Row[Any] | None:
        key = {
            "provider": person.provider,
            "issuer": person.issuer,
            "subject": person.subject,
        }
        found = await self.session.execute(LOCK_BY_IDENTITY, key)
        user: Row[Any] | None = found.one_or_none()
        if user is None:
            return None
        if not user.is_active:
            raise IdentityUnknown("the account is disabled", user.id)
        if self.users.must_verify and not user.email_verified:
            raise IdentityUnknown("the account has no verified address", user.id)
        used = await self.session.scalar(
            update(ExternalIdentity)
            .filter_by(**key)
            .values(last_used_at=utc_now(), email=person.email)
            .returning(ExternalIdentity.id)
        )
        if used is None:  # the owner removed the identity while this request waited
            raise IdentityUnknown("the identity was removed", user.id)
        return user

    async def _add(self, person: Person) -> None:
        """Link the identity to the account of the same e-mail address, or to a new one.

        Both the provider and this service must have verified the address. Otherwise an
        attacker could have registered with the address of another person.
        """
        if person.email is None or not person.email_verified:
            raise IdentityUnknown("the provider has not verified the address")
        values = {"email": canonical_email(person.email)}
        user = (await self.session.execute(LOCK_BY_EMAIL, values)).one_or_none()
        if user is None:
            user = await self._register(person)
        elif not user.email_verified:
            raise IdentityUnknown("the account has no verified address", user.id)
        elif not user.is_active:
            raise IdentityUnknown("the account is disabled", user.id)
        await self.link(person, user.id, user.email)

    async def link(
        self, person: Person, user_id: UUID, email: str, keep: UUID | None = None
    ) -> ExternalIdentity:
        """Add the identity and tell the owner. End all sessions except `keep`."""
        identity = ExternalIdentity(
            user_id=user_id,
            provider=person.provider,
            issuer=person.issuer,
            subject=person.subject,
            email=person.email,
            last_used_at=None,
        )
        self.session.add(identity)
        await self.session.flush()
        title = self.providers[person.provider].provider.title
        await self.changes.tell(
            user_id,
            email,
            "account.identity.linked",
            f"You can now sign in with {title}.",
            keep=keep,
            provider=person.provider,
        )
        return identity

    async def _register(self, person: Person) -> Any:
        if self.settings.registration == "closed":
            raise IdentityUnknown("registration is closed")
        password_hash = unusable_hash()
        data = UserRegister(
            email=str(person.email), password=password_hash, full_name=person.name
        )
        return await self.users.add(data, password_hash, verified=True)

    def _record_failure(self, name: str, reason: str, subject: UUID | None) -> None:
        record(
            self.session,
            "auth.login.failure",
            subject,
            outcome="failure",
            provider=name,
            reason=reason,
        )
