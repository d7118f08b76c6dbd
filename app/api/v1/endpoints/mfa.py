from http import HTTPStatus

from app.api.accounts import AccountsDep, CurrentUser, FactorHolder
from app.api.errors import documented
from app.api.routes import api_router
from app.schemas.second_factor import RecoveryCodesRead, SecondFactorsRead
from app.services.accounts.recovery_codes import NoSecondFactor

router = api_router("/auth/mfa", tags=["auth"])


@router.get("")
async def read_second_factors(
    user: CurrentUser, accounts: AccountsDep
) -> SecondFactorsRead:
    """List your second factors, and say how many recovery codes are left."""
    return await accounts.mfa.read(user)


@router.post(
    "/recovery-codes",
    status_code=HTTPStatus.CREATED,
    responses=documented(NoSecondFactor),
)
async def create_recovery_codes(
    user: FactorHolder, accounts: AccountsDep
) -> RecoveryCodesRead:
    """Make ten recovery codes, which replace all earlier ones. Store them safely."""
    return await accounts.mfa.new_recovery_codes(user)
