"""What clients send to prove a second factor. Each factor has a field of its own."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import MISSING, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.schemas import totp
from app.schemas.base import RequestBody
from app.schemas.passkey import SignedCredential
from app.schemas.user import PasswordText

RECOVERY_CODE = "7H2K-9QWM-4XTV-0RCD-J5N8-PZ3A"
RecoveryCode = Annotated[
    str,
    Field(
        max_length=64,
        description="One of your recovery codes. It works once.",
        examples=[RECOVERY_CODE],
    ),
]
EXAMPLE: list[str] = [
    "totp",
]
MfaToken = Annotated[
    str,
    Field(
        max_length=4096,
        repr=False,
        description="The `mfa_token` that the login returned.",
        examples=["app_mt_AZqPPlpw"],
    ),
]


def exactly(**example: str) -> ConfigDict:
    """Say in JSON Schema that a body has as many members as the example."""
    count = len(example)
    return ConfigDict(
        json_schema_extra={
            "minProperties": count,
            "maxProperties": count,
            "examples": [{**example}],
        }
    )


class FactorAnswer(RequestBody):
    """The answer of one factor. Send exactly one of its fields."""

    model_config = exactly(recovery_code=RECOVERY_CODE)
    beside: ClassVar[frozenset[str]] = frozenset()  # fields beside the answer

    code: totp.Code | MISSING = Field(MISSING, repr=False)
    passkey: SignedCredential | MISSING = Field(MISSING, repr=False)
    recovery_code: RecoveryCode | MISSING = Field(MISSING, repr=False)

    @model_validator(mode="after")
    def _one_answer(self) -> Self:
        if len(self.model_fields_set - self.beside) != 1:
            raise PydanticCustomError("one_answer", "Send the answer of one factor.")
        return self

    @property
    def field(self) -> str:
        [name] = self.model_fields_set - self.beside
        return name

    @property
    def value(self) -> Any:
        return getattr(self, self.field)


class WaitingLogin(RequestBody):
    """A login that waits for a second factor."""

    mfa_token: MfaToken


class SecondStep(FactorAnswer):
    """The second factor of a login. Send exactly one answer."""

    model_config = exactly(mfa_token="app_mt_AZqPPlpw", recovery_code=RECOVERY_CODE)  # noqa: S106
    beside = frozenset({"mfa_token"})

    mfa_token: MfaToken


class Reauthentication(FactorAnswer):
    """Your password, or the answer of a second factor. Send exactly one of them."""

    model_config = exactly(password="seven lamps on a long pier")  # noqa: S106

    password: PasswordText | MISSING = Field(MISSING, repr=False)


class SecondFactorRequired(BaseModel):
    """The password is right, and the account has a second factor."""

    status: Literal["mfa_required"] = "mfa_required"
    mfa_token: str = Field(
        description="Send this token to `/auth/login/mfa` within five minutes. It "
        "works for one login, and ends after five wrong answers.",
        examples=["app_mt_AZqPPlpw"],
    )
    methods: list[str] = Field(
        description="The factors that you can use.",
        examples=[[*EXAMPLE, "recovery_code"]],
    )


class RecoveryCodesRead(BaseModel):
    """New recovery codes. The service shows them only once."""

    recovery_codes: list[str] = Field(examples=[[RECOVERY_CODE]])


class SecondFactorsRead(BaseModel):
    """The second factors of your account."""

    second_factors: list[str] = Field(examples=[EXAMPLE])
    recovery_codes_left: int = Field(examples=[10])
