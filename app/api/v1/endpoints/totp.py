from http import HTTPStatus
from typing import Annotated

from fastapi import Depends

from app.api.accounts import AccountsDep, FactorHolder
from app.api.dependencies import StateDep
from app.api.errors import documented
from app.api.routes import api_router
from app.schemas.second_factor import RecoveryCodesRead
from app.schemas.totp import TotpActivation, TotpSecret
from app.services.accounts.pending_logins import MfaFailed
from app.services.accounts.totp.factor import TotpFactor
from app.services.accounts.totp.service import (
    TotpNotEnrolled,
    TotpNotFound,
    TotpService,
)

router = api_router("/auth/mfa/totp", tags=["auth"])


async def get_totp(state: StateDep, accounts: AccountsDep) -> TotpService:
    return TotpService(
        accounts.session,
        TotpFactor(accounts.session, state.ring),
        accounts.factors,
        accounts.recovery_codes,
        accounts.changes,
        state.settings.app_name,
    )


TotpDep = Annotated[TotpService, Depends(get_totp)]


@router.post("", status_code=HTTPStatus.CREATED)
async def enrol_totp(user: FactorHolder, totp: TotpDep) -> TotpSecret:
    """Get a secret for an authenticator app.

    Send the first code of the app to `/auth/mfa/totp/activate` within one hour. Until
    then nothing changes: an app that you already use stays your second factor.
    """
    return await totp.enrol(user)


@router.post("/activate", responses=documented(MfaFailed, TotpNotEnrolled))
async def activate_totp(
    user: FactorHolder, totp: TotpDep, data: TotpActivation
) -> RecoveryCodesRead:
    """Make the app your second factor. Your other sessions end.

    If you have no recovery codes yet, the answer contains ten. Store them safely.
    """
    return await totp.activate(user, data.code)


@router.delete(
    "", status_code=HTTPStatus.NO_CONTENT, responses=documented(TotpNotFound)
)
async def remove_totp(user: FactorHolder, totp: TotpDep) -> None:
    """Remove the authenticator app. Your other sessions end.

    If you have no other second factor, your recovery codes are deleted, too.
    """
    await totp.remove(user)
