from reference.settings import groups, own_fields


def test_every_setting_has_a_description() -> None:
    """Mutant: add a setting without a docstring."""
    for group in groups():
        for name, _, text in own_fields(group):
            assert text.endswith("."), name
