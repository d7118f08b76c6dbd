"""The timing drill in short; `python -m drills.timing` is the long form."""

from drills.timing import drill, make_settings


class TestTiming:
    async def test_tells_no_known_address_from_an_unknown_one(
        self, database_url: str
    ) -> None:
        # Mutants: `register` that looks before it hashes, and `login` that does not
        # hash for nobody, differ by a whole hash; the drill allows a tenth of one.
        for comparison in await drill(make_settings(database_url), pairs=15):
            assert comparison.same_answer, str(comparison)
            # So few samples on a busy machine are worth no more precision.
            assert comparison.share_of_hash < 0.5, str(comparison)
