from typing import Annotated

from pydantic import BaseModel, Field

from app.schemas.base import RequestBody

# Only ASCII digits, because Python also accepts other digits, such as fullwidth ones.
Code = Annotated[
    str,
    Field(
        min_length=6,
        max_length=6,
        pattern="^[0-9]{6}$",
        description="The code that your authenticator app shows now.",
        examples=["492039"],
    ),
]


class TotpSecret(BaseModel):
    """A secret for an authenticator app. The service shows it only once."""

    secret: str = Field(
        description="The secret in base32, which a user can type into the app.",
        examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"],
    )
    uri: str = Field(
        description="Link that opens the app on the same device.",
        examples=[
            "otpauth://totp/Service:ada%40example.org?secret="
            "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Service"
        ],
    )
    qr_code: str = Field(
        description="The URI as a QR code: a data URL of an SVG image.",
        examples=[
            "data:image/svg+xml,%3Csvg%20xmlns=%22http://www.w3.org/2000/svg%22/%3E"
        ],
    )


class TotpActivation(RequestBody):
    code: Code = Field(repr=False)
