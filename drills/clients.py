"""Compile the generated clients, and call the service with them.

    python -m drills.clients

Run `make clients` first. The drill runs the example of docs/clients.md in TypeScript
and in Python, on SQLite and on PostgreSQL. A misspelt error code must not compile.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from clients.__main__ import HERE, TARGET
from testbed.accounts import PASSWORD, create_account
from testbed.postgres import start_postgres
from testbed.service import command, make_environment, start_service

EDITOR = "editor@example.org"
EXAMPLES = HERE / "products"
BUILT = HERE / "node_modules/.built/clients/products/example.mjs"
PYTHON = HERE / ".venv/bin/python"
SEEN = ("created once", "sku taken", "changed after a 401", "conflict", "imported 2")
TYPESCRIPT = f"""
    import {{ run }} from "{BUILT}";
    console.log(JSON.stringify(await run(...process.argv.slice(1))));
"""
TSC = (HERE / "node_modules/.bin/tsc", "--project", HERE / "tsconfig.json")
MYPY = (
    *(sys.executable, "-m", "mypy", "--strict", "--config-file="),
    *("--python-executable", PYTHON, "--follow-imports=silent"),
)
RUNS: dict[str, Sequence[str | Path]] = {
    "TypeScript": ("node", "--input-type=module", "--eval", TYPESCRIPT),
    "Python": (
        *(PYTHON, "-c"),
        "import json, sys, example; print(json.dumps(example.run(*sys.argv[1:])))",
    ),
}


def compiles(*line: str | Path) -> bool:
    environment = os.environ | {"MYPYPATH": str(TARGET)}
    ended = subprocess.run(line, env=environment, capture_output=True, check=False)
    return ended.returncode == 0


def refuses_a_misspelt_code(example: Path, code: str, *compiler: str | Path) -> bool:
    wrong = example.with_stem("misspelt")
    wrong.write_text(example.read_text().replace(code, f"{code[:-1]}M"))
    try:
        return not compiles(*compiler)
    finally:
        wrong.unlink()


def check_types() -> None:
    typescript, python = EXAMPLES / "example.mts", EXAMPLES / "example.py"
    assert compiles(*TSC), "the TypeScript client does not compile"
    assert compiles(*MYPY, python), "the Python client does not compile"
    assert refuses_a_misspelt_code(typescript, "sku_taken", *TSC)
    wrong = python.with_stem("misspelt")
    assert refuses_a_misspelt_code(python, ".SKU_TAKEN", *MYPY, wrong)
    print("both clients compile, and refuse a misspelt code")


def use(home: Path, database_url: str) -> None:
    environment = make_environment(home, DATABASE_URL=database_url)
    assert command("db", "upgrade", environment=environment).returncode == 0
    create_account(EDITOR, environment=environment, role="editor")
    with start_service(home, environment=environment) as service:
        for number, (name, line) in enumerate(RUNS.items(), start=1):
            path = f"{EXAMPLES}:{TARGET}"
            ended = subprocess.run(
                [*line, service.url, EDITOR, PASSWORD],
                env=os.environ | {"PYTHONPATH": path},
                capture_output=True,
                text=True,
                check=False,
            )
            assert ended.returncode == 0, ended.stderr
            seen = json.loads(ended.stdout)
            assert seen == [*SEEN, f"listed {3 * number}"], (name, seen)
            print(f"{name}: {', '.join(seen)}")


def main() -> None:
    if not EXAMPLES.exists():
        return  # the resource of the examples was removed
    check_types()
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        use(home, f"sqlite:///{home / 'clients.db'}")
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        with start_postgres(home) as postgres:
            use(home, postgres.url)


if __name__ == "__main__":
    main()
