import pytest

from app.db.revisions import OWN

of_the_release_alone = pytest.mark.skipif(
    any(OWN.glob("*.py")),
    reason="This test is only for a repository without revisions of its own.",
)
