import pytest

from app.db.revisions import OWN

of_the_release_alone = pytest.mark.skipif(
    any(OWN.glob("*.py")),
    reason="It counts the revisions of the release, without yours.",
)
