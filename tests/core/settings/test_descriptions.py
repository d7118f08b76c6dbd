from app.core.config import Settings


def test_every_setting_says_what_it_sets() -> None:
    """Mutant: leave a description out."""
    missing = [
        name
        for name, field in Settings.model_fields.items()
        if not (field.description or "").endswith(".")
    ]

    assert missing == []
