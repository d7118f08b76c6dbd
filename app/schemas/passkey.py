"""Passkeys: the JSON objects of WebAuthn Level 3 that browsers read and write."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from app.schemas.base import ONE_LINE, Representation, RequestBody, composed, trimmed

MOST_PASSKEYS = 20  # of a user
PasskeyName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        examples=["Laptop"],
        json_schema_extra=ONE_LINE,
    ),
    composed(100),
    AfterValidator(trimmed),
]
ALPHABET = r"^[A-Za-z0-9_-]*$"
Chosen = Annotated[Literal["required"], Field(examples=["required"])]
Kind = Annotated[Literal["public-key"], Field(examples=["public-key"])]
Base64Url = Annotated[str, Field(examples=["AZqPPlpw"])]


def encoded(max_bytes: int) -> object:
    """Bytes in base64url without padding, as in every JSON object of WebAuthn."""
    return Field(
        max_length=-(-max_bytes * 4 // 3), pattern=ALPHABET, examples=["AZqPPlpw"]
    )


CredentialId = Annotated[str, encoded(1023)]
ClientData = Annotated[str, encoded(4096)]


class FromBrowser(RequestBody):
    """A JSON object that a browser makes. Later browsers may add members."""

    model_config = ConfigDict(extra="ignore", alias_generator=to_camel)


class Attestation(FromBrowser):
    client_data_json: ClientData = Field(alias="clientDataJSON")
    attestation_object: Annotated[str, encoded(16384)]
    transports: list[Annotated[str, Field(max_length=20, examples=["internal"])]] = (
        Field([], max_length=10)
    )


class Assertion(FromBrowser):
    client_data_json: ClientData = Field(alias="clientDataJSON")
    authenticator_data: Annotated[str, encoded(4096)]
    signature: Annotated[str, encoded(1024)]
    user_handle: Annotated[str, encoded(64)] | None = None


class NewCredential(FromBrowser):
    """The `toJSON()` of what `navigator.credentials.create()` returns."""

    id: CredentialId
    raw_id: CredentialId
    type: Kind
    response: Attestation


class SignedCredential(FromBrowser):
    """The `toJSON()` of what `navigator.credentials.get()` returns."""

    id: CredentialId
    raw_id: CredentialId
    type: Kind
    response: Assertion


class PasskeyCreate(RequestBody):
    name: PasskeyName
    credential: NewCredential


class PasskeyUpdate(RequestBody):
    name: PasskeyName


class PasskeyLogin(RequestBody):
    credential: SignedCredential


class PasskeyRead(Representation):
    """One of your passkeys."""

    id: UUID
    name: str = Field(examples=["Laptop"])
    backed_up: bool = Field(
        description="Whether the passkey is synchronised, so that it survives the loss "
        "of the device."
    )
    aaguid: UUID = Field(
        description="The model of the authenticator. The service does not verify it."
    )
    created_at: datetime
    last_used_at: datetime | None


class PasskeyCreated(PasskeyRead):
    recovery_codes: list[str] = Field(
        description="Your first recovery codes, shown only once. Empty if you already "
        "have some.",
        examples=[["7H2K-9QWM-4XTV-0RCD-J5N8-PZ3A"]],
    )


class PasskeyList(BaseModel):
    """All your passkeys, oldest first."""

    items: list[PasskeyRead] = Field(max_length=MOST_PASSKEYS)


class Options(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


class RelyingParty(Options):
    id: str = Field(examples=["example.org"])
    name: str = Field(examples=["Example"])


class PasskeyUser(Options):
    id: Base64Url
    name: str = Field(examples=["ada@example.org"])
    display_name: str = Field(examples=["Ada Lovelace"])


class Algorithm(Options):
    type: Kind = "public-key"
    alg: int = Field(description="COSE algorithm (RFC 9053).", examples=[-7])


class KnownCredential(Options):
    type: Kind = "public-key"
    id: Base64Url
    transports: list[str] = Field(examples=[["internal"]])


class AuthenticatorSelection(Options):
    resident_key: Chosen = "required"
    require_resident_key: bool = True
    user_verification: Chosen = "required"


class PasskeyCreationOptions(Options):
    """For `PublicKeyCredential.parseCreationOptionsFromJSON()`."""

    rp: RelyingParty
    user: PasskeyUser
    challenge: Base64Url
    pub_key_cred_params: list[Algorithm]
    timeout: int = Field(description="Time limit in milliseconds.", examples=[300_000])
    exclude_credentials: list[KnownCredential]
    authenticator_selection: AuthenticatorSelection = AuthenticatorSelection()
    attestation: Literal["none"] = "none"


class PasskeyRequestOptions(Options):
    """For `PublicKeyCredential.parseRequestOptionsFromJSON()`."""

    challenge: Base64Url
    timeout: int = Field(description="Time limit in milliseconds.", examples=[300_000])
    rp_id: str = Field(examples=["example.org"])
    allow_credentials: list[KnownCredential] = Field(
        [], description="Empty: the user chooses one of the passkeys on the device."
    )
    user_verification: Chosen = "required"
