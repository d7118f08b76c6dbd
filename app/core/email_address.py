"""E-mail addresses: which are valid, and which of them name the same mailbox."""

from dataclasses import dataclass
from functools import lru_cache

from email_validator import validate_email

MAX_LENGTH = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets


@dataclass(frozen=True, slots=True)
class EmailIdentity:
    """An address to send to, and the form under which accounts are compared."""

    email: str
    canonical: str


def parse_email(text: str) -> EmailIdentity:
    """Accept an ASCII mailbox at any domain. An international domain becomes A-labels.

    The local part must be ASCII, because look-alikes (`K` the Kelvin sign, a dotless
    `i`, full-width letters) would fold into the address of another account. The message
    of a `ValueError` is for the client and repeats nothing of the input.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"An e-mail address must not exceed {MAX_LENGTH} characters.")
    try:
        address = validate_email(
            text, check_deliverability=False, allow_smtputf8=False, strict=True
        )
    except ValueError:
        raise ValueError("This is not a valid e-mail address.") from None
    if "=?" in address.local_part:  # mail programs would decode it (RFC 2047)
        raise ValueError("This is not a valid e-mail address.")
    email = f"{address.local_part}@{address.ascii_domain}"
    return EmailIdentity(email, email.lower())


@lru_cache(maxsize=1)  # a login needs the same address twice
def canonical_email(text: str) -> str:
    """Return the form under which accounts are compared.

    Text that is no address is returned unchanged, because no account matches it.
    """
    try:
        return parse_email(text).canonical
    except ValueError:
        return text
