"""Every limit of the service. To add a limit, add one line here."""

from datetime import timedelta

from app.core.config import Settings
from app.core.rate_limit.policy import Policy
from app.core.settings.limits import Rate

MINUTE, HOUR, DAY = 60, 3600, 86_400


def policies(settings: Settings) -> dict[str, Policy]:
    """Return the policy of each limit that is switched on, by the limit's name."""
    return {
        name: Policy(name, limit=rate[0], window=timedelta(seconds=rate[1]))
        for name, rate in rates(settings).items()
        if rate is not None
    }


def rates(settings: Settings) -> dict[str, Rate]:
    """Return the rate of each limit by its name, or None if it is switched off.

    The name of a counter in Redis contains the name of its limit. `shown_name` shortens
    the name of a limit for clients.
    """
    requests = settings.rate_limit_requests, settings.rate_limit_window_seconds
    of_address, of_account = (
        settings.login_failures_per_ip,
        settings.login_failures_per_account,
    )
    failures_window = settings.login_failures_window_seconds
    return {
        # Requests: by client address
        "login": requests,
        "register": requests,
        "refresh": requests,
        "all": settings.rate_limit_all,
        # Requests that change something: by account, by another credential, or by
        # client address if the client sends no token
        "writes": settings.rate_limit_writes,
        # Requests with this kind of credential: by credential
        "api_key": settings.rate_limit_api_keys,
        # Wrong passwords
        "login-failures-address": (of_address, failures_window),
        "login-failures-account": (of_account, failures_window),  # unknown devices
        "login-failures-account-day": (5 * of_account, DAY),  # unknown devices
        "login-failures-device": (of_account, failures_window),
        "login-failures-devices-day": (5 * of_account, DAY),  # all known devices
        # Wrong answers of second factors
        "mfa-failures-address": (10, 5 * MINUTE),  # unknown devices
        "mfa-failures-address-hour": (50, HOUR),  # unknown devices
        "mfa-failures-account": (5, 5 * MINUTE),  # unknown devices
        "mfa-failures-account-hour": (20, HOUR),  # unknown devices
        "mfa-failures-account-day": (50, DAY),  # unknown devices
        "mfa-failures-device": (5, 5 * MINUTE),  # a known device, or a session
        "mfa-failures-devices-day": (50, DAY),  # all known devices and sessions
        # Passwords that logged-in callers confirm, both right and wrong ones
        "password-confirmations": (30, HOUR),
        # Requests that send mail
        "mail-mailbox": (3, HOUR),
        "mail-address": (10, HOUR),
        # Audit events about refusals, so that a flood of requests does not fill the
        # disk
        "denied-event": (10, MINUTE),  # by account
        "login-throttled-event": (1, MINUTE),  # by address
        "refused-token-event": (10, MINUTE),  # by address
    }
