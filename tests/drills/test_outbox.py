"""The outbox drill in short; `python -m drills.outbox` is the long form."""

from pathlib import Path

from drills.outbox import drill


class TestOutboxDrill:
    async def test_loses_no_mail_and_sends_none_for_a_rollback(
        self, tmp_path: Path, database_url: str
    ) -> None:
        # Mutants: settling before sending loses mail; sending before the commit sends
        # some for what is rolled back; an id for each attempt makes copies strangers.
        outcome = await drill(tmp_path, database_url, mails=40, kills=3, seed=3)

        assert outcome.kept_its_promises, str(outcome)
        assert outcome.kills == 3
