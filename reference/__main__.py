"""Generates `openapi.json`, `.env.example`, and lists in `docs/`.

python -m reference [--check]
"""

import argparse
import sys

from reference.pages import write


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m reference")
    text = "Write nothing; exit non-zero if a file is outdated."
    parser.add_argument("--check", action="store_true", help=text)
    check: bool = parser.parse_args().check
    stale = write(check=check)
    if check and stale:
        sys.exit(f"Outdated: {', '.join(map(str, stale))}. Run `make format`.")


if __name__ == "__main__":
    main()
