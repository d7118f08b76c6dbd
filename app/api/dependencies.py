"""What an endpoint may ask for, each under one short name."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from time import monotonic
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.authentication import authorize, authorize_fresh
from app.core.request_context import current_request
from app.db.base import utc_now
from app.db.session import ReadSession, transaction
from app.services.accounts.email_addresses import EmailAddressService
from app.services.accounts.login import AuthService
from app.services.accounts.mail_quota import MailQuota
from app.services.accounts.one_time_links import OneTimeLinks
from app.services.accounts.passwords import PasswordService
from app.services.accounts.principal import Principal
from app.services.accounts.refresh import RefreshService
from app.services.accounts.registration import AccountService
from app.services.accounts.sessions import Client, SessionService, SessionStarter
from app.services.accounts.users import UserDirectory, UserService
from app.services.audit import AuditTrail
from app.services.mail.outbox import Outbox
from app.services.products.importing import ProductImport
from app.services.products.reads import Catalogue
from app.services.products.writes import ProductService
from app.state import Resources


async def get_resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


ResourcesDep = Annotated[Resources, Depends(get_resources)]


async def get_session(resources: ResourcesDep) -> AsyncGenerator[AsyncSession]:
    async with transaction(resources.database) as session:
        yield session


async def get_read_session(resources: ResourcesDep) -> ReadSession:
    return resources.database.read


# "function" ends the transaction before the response is sent, so that a failed
# commit answers 5xx; the default, "request", would end it after the client has its 2xx.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
ReadSessionDep = Annotated[ReadSession, Depends(get_read_session)]


# --- who is calling


def holder_of(scope: str) -> Any:
    return Security(authorize, scopes=[scope])


CurrentUser = Annotated[Principal, holder_of("account:read")]
AccountHolder = Annotated[Principal, holder_of("account:write")]
FreshAccountHolder = Annotated[
    Principal, Security(authorize_fresh, scopes=["account:write"])
]
ProductEditor = Annotated[Principal, holder_of("products:write")]
UserReader = Annotated[Principal, holder_of("users:read")]
UserAdmin = Annotated[Principal, holder_of("users:write")]
AuditReader = Annotated[Principal, holder_of("audit:read")]


async def get_client() -> Client:
    context = current_request()
    assert context is not None  # noqa: S101 - the middleware is always there
    return Client(
        address=context.client_address,
        user_agent=context.user_agent,
        arrived_at=utc_now() - timedelta(seconds=monotonic() - context.started),
    )


ClientDep = Annotated[Client, Depends(get_client)]


# --- what it is about


async def get_outbox(session: SessionDep, resources: ResourcesDep) -> Outbox:
    return Outbox(session, resources.mail_waits.set)


OutboxDep = Annotated[Outbox, Depends(get_outbox)]


async def get_one_time_links(
    session: SessionDep,
    read: ReadSessionDep,
    outbox: OutboxDep,
    resources: ResourcesDep,
) -> OneTimeLinks:
    base_url = resources.settings.public_base_url
    return OneTimeLinks(session, read, outbox, base_url)


OneTimeLinksDep = Annotated[OneTimeLinks, Depends(get_one_time_links)]


async def get_session_starter(
    session: SessionDep, resources: ResourcesDep
) -> SessionStarter:
    return SessionStarter(
        session,
        resources.settings,
        resources.access_tokens,
        resources.refresh_tokens,
    )


SessionStarterDep = Annotated[SessionStarter, Depends(get_session_starter)]


async def get_auth_service(
    session: SessionDep,
    read: ReadSessionDep,
    resources: ResourcesDep,
    starter: SessionStarterDep,
) -> AuthService:
    return AuthService(session, read, resources.guard, resources.devices, starter)


AuthServiceDep = Annotated[AuthService, Depends(get_auth_service)]


async def get_refresh_service(
    session: SessionDep,
    read: ReadSessionDep,
    resources: ResourcesDep,
    starter: SessionStarterDep,
    outbox: OutboxDep,
) -> RefreshService:
    return RefreshService(
        session, read, resources.settings, resources.refresh_tokens, starter, outbox
    )


async def get_session_service(
    session: SessionDep, read: ReadSessionDep, resources: ResourcesDep
) -> SessionService:
    return SessionService(session, read, resources.cursors)


async def get_account_service(
    session: SessionDep,
    links: OneTimeLinksDep,
    outbox: OutboxDep,
    resources: ResourcesDep,
) -> AccountService:
    return AccountService(session, resources.settings, resources.hasher, links, outbox)


async def get_password_service(
    session: SessionDep,
    read: ReadSessionDep,
    links: OneTimeLinksDep,
    outbox: OutboxDep,
    auth: AuthServiceDep,
    resources: ResourcesDep,
) -> PasswordService:
    return PasswordService(
        session,
        read,
        resources.settings,
        resources.hasher,
        links,
        outbox,
        MailQuota(resources.limiter),
        auth,
    )


async def get_email_address_service(
    session: SessionDep,
    read: ReadSessionDep,
    links: OneTimeLinksDep,
    outbox: OutboxDep,
    auth: AuthServiceDep,
    resources: ResourcesDep,
) -> EmailAddressService:
    quota = MailQuota(resources.limiter)
    return EmailAddressService(session, read, links, outbox, quota, auth)


async def get_user_service(session: SessionDep) -> UserService:
    return UserService(session)


async def get_user_directory(request: Request) -> UserDirectory:
    resources: Resources = request.app.state.resources
    return resources.users


async def get_audit_trail(resources: ResourcesDep) -> AuditTrail:
    return resources.audit


async def get_product_service(session: SessionDep) -> ProductService:
    return ProductService(session)


async def get_catalogue(request: Request) -> Catalogue:
    resources: Resources = request.app.state.resources
    return resources.catalogue


async def get_product_import(
    session: SessionDep, resources: ResourcesDep
) -> ProductImport:
    on_postgres = resources.database.writer.dialect.name == "postgresql"
    return ProductImport(session, resources.imports, on_postgres=on_postgres)


RefreshServiceDep = Annotated[RefreshService, Depends(get_refresh_service)]
SessionServiceDep = Annotated[SessionService, Depends(get_session_service)]
AccountServiceDep = Annotated[AccountService, Depends(get_account_service)]
PasswordServiceDep = Annotated[PasswordService, Depends(get_password_service)]
EmailAddressServiceDep = Annotated[
    EmailAddressService, Depends(get_email_address_service)
]
UserServiceDep = Annotated[UserService, Depends(get_user_service)]
UserDirectoryDep = Annotated[UserDirectory, Depends(get_user_directory)]
AuditTrailDep = Annotated[AuditTrail, Depends(get_audit_trail)]
ProductServiceDep = Annotated[ProductService, Depends(get_product_service)]
ProductImportDep = Annotated[ProductImport, Depends(get_product_import)]
CatalogueDep = Annotated[Catalogue, Depends(get_catalogue)]
