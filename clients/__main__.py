"""Write typed clients of `openapi.json` into dist/clients/.

python -m clients [directory]
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import orjson

HERE = Path(__file__).parent
DOCUMENT = HERE.parent / "openapi.json"
TARGET = HERE.parent / "dist/clients"


def typescript(file: Path) -> None:
    program = HERE / "node_modules/.bin/openapi-typescript"
    options = ("--default-non-nullable=false", "--output", file)
    line = (program, DOCUMENT, *options)
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)


def python(package: Path) -> None:
    """Generate the package with openapi-python-client; a warning is an error."""
    document = for_python(orjson.loads(DOCUMENT.read_bytes()))
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(orjson.dumps(document))
        file.flush()
        line = (
            *(HERE / ".venv/bin/openapi-python-client", "generate", "--overwrite"),
            *("--path", file.name, "--config", HERE / "python.yaml"),
            *("--meta", "none", "--output-path", package, "--fail-on-warning"),
        )
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    (package / "py.typed").touch()


def for_python(document: dict[str, Any]) -> dict[str, Any]:
    """Leave one media type to each upload: the generator would send the last one."""
    for path in document["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {})
            for media_type in list(content)[1:]:
                del content[media_type]
            for media_type in content.keys() - {"application/json"}:
                content[media_type]["schema"]["format"] = "binary"
    return document


def main() -> None:
    target = Path(sys.argv[1]) if sys.argv[1:] else TARGET
    target.mkdir(parents=True, exist_ok=True)
    try:
        typescript(target / "schema.d.ts")
        python(target / "api_client")
    except (OSError, subprocess.CalledProcessError) as failure:
        sys.exit(f"The clients are not complete: {failure}")
    print(f"TypeScript: {target}/schema.d.ts\nPython: {target}/api_client")


if __name__ == "__main__":
    main()
