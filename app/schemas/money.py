"""Money in JSON: a decimal string and an ISO 4217 code."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
)

AMOUNT = re.compile(r"\d{1,12}(\.\d{1,2})?", re.ASCII)

# ISO 4217 active codes, without funds, metals and test codes.
CURRENCIES = frozenset(
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN "
    "BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB "
    "EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR "
    "ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD "
    "MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR "
    "PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE "
    "SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU "
    "UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG".split()
)


def parse_amount(value: object) -> Decimal:
    if not isinstance(value, str) or not AMOUNT.fullmatch(value):
        raise ValueError(
            "Input should be a string such as '19.99', with at most 12 digits before "
            "the point and 2 after it"
        )
    return Decimal(value).quantize(Decimal("0.01"))


def known_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("Input should be an ISO 4217 code such as EUR")
    return code


CURRENCY = Field(
    title="Currency",
    examples=["EUR"],
    json_schema_extra={"enum": [*sorted(CURRENCIES)]},
)
Amount = Annotated[
    Decimal,
    BeforeValidator(parse_amount),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d{1,12}(\.\d{1,2})?$",
            "maxLength": len("999999999999.99"),
            "examples": ["12.50"],
        }
    ),
]
Currency = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    CURRENCY,
    AfterValidator(known_currency),
]
StoredCurrency = Annotated[str, CURRENCY]
