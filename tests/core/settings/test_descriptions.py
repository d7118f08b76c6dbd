from app.core.config import Settings


def test_every_setting_has_a_description() -> None:
    """Mutant: a setting without a description."""
    missing = [
        name
        for name, field in Settings.model_fields.items()
        if not (field.description or "").endswith(".")
    ]

    assert missing == []
