"""Looks up security advisories about the packages in the lock files.

    python requirements/audit.py [--strict] [--osv-url URL]

Exits 1 on an advisory. If the source does not answer, the command says that it could
not check the packages, and exits 0, or 1 with `--strict`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

LOCKS = sorted(Path(__file__).parent.glob("*.txt"))
OSV = "https://api.osv.dev/v1/query"
# pip-audit's default source skips packages that it does not know, and still exits 0.
PIP_AUDIT = (
    *(sys.executable, "-m", "pip_audit", "--progress-spinner=off", "--format=json"),
    *("--vulnerability-service=osv", "--require-hashes", "--disable-pip"),
)


class NotChecked(Exception):
    """pip-audit failed, so there is no result. The message is its last line."""


def look_up(osv_url: str) -> list[dict[str, Any]]:
    """Return the locked packages of this platform, each with its advisories."""
    locks = [f"--requirement={lock}" for lock in LOCKS]
    with TemporaryDirectory() as directory:
        result = Path(directory, "result.json")
        line = [*PIP_AUDIT, f"--osv-url={osv_url}", *locks, f"--output={result}"]
        ended = subprocess.run(line, text=True, capture_output=True, check=False)
        if not result.exists():
            raise NotChecked(ended.stderr.strip().rpartition("\n")[2])
        found: list[dict[str, Any]] = json.loads(result.read_text())["dependencies"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--strict", action="store_true", help="Fail if the source does not answer."
    )
    parser.add_argument("--osv-url", default=OSV, help="The source (default: OSV).")
    arguments = parser.parse_args()
    try:
        packages = look_up(arguments.osv_url)
    except NotChecked as reason:
        print(
            f"Advisories not checked: {reason}. Name a source that answers like "
            f"{OSV}: make audit ARGS='--osv-url URL'"
        )
        sys.exit(arguments.strict)
    found = [(package, each) for package in packages for each in package["vulns"]]
    for package, advisory in found:
        names = ", ".join([advisory["id"], *advisory["aliases"]])
        fixed = ", ".join(advisory["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {names}; fixed in {fixed}")
    print(f"{len(packages)} packages, {len(found)} advisories")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
