"""The short outbox drill; `python -m drills.outbox` is the long form."""

from pathlib import Path

from drills.outbox import drill


class TestOutboxDrill:
    async def test_loses_no_mail_and_sends_none_for_a_rollback(
        self, tmp_path: Path, database_url: str
    ) -> None:
        # Mutants: mark mail as sent before sending it; send before the commit; use a
        # new Message-ID for each attempt.
        outcome = await drill(tmp_path, database_url, mails=40, kills=3, seed=3)

        assert outcome.kept_its_promises, str(outcome)
        assert outcome.kills == 3
