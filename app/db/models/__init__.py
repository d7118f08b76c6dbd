"""Every mapped class, imported here so that `Base.metadata` is complete."""

from app.db.models.audit_event import AuditEvent
from app.db.models.auth_session import AuthSession
from app.db.models.product import Product, ProductStatus
from app.db.models.user import Role, User

__all__ = ["AuditEvent", "AuthSession", "Product", "ProductStatus", "Role", "User"]
