"""Every mapped class, imported here so that `Base.metadata` is complete."""

from app.db.models.audit_event import AuditEvent
from app.db.models.auth_session import AuthSession
from app.db.models.idempotency_key import IdempotencyKey
from app.db.models.one_time_token import OneTimeToken, TokenPurpose
from app.db.models.outbox_mail import OutboxMail
from app.db.models.product import Product, ProductStatus, StockMovement
from app.db.models.user import Role, User

__all__ = [
    "AuditEvent",
    "AuthSession",
    "IdempotencyKey",
    "OneTimeToken",
    "OutboxMail",
    "Product",
    "ProductStatus",
    "Role",
    "StockMovement",
    "TokenPurpose",
    "User",
]
