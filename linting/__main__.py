"""Refuses revisions that could stop a running service.

python -m linting
"""

import sys

from app.db.revisions import OWN, RELEASED
from linting.revisions import lint

found = lint([*sorted(RELEASED.glob("[!_]*.py")), *sorted(OWN.glob("[!_]*.py"))])
for finding in found:
    sys.stdout.write(f"{finding}\n")
sys.exit(bool(found))
