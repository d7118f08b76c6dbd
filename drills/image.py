"""Run the steps of the Dockerfile without a container engine.

Each stage has its own root directory. Instead of using the base image, the drill mounts
the system and the Python of this machine into each root directory, read-only. The last
stage runs as the user of the image, on a read-only root. The drill needs Linux, root
and the port 8000.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.identity import NAME
from testbed.dockerfile import instructions
from testbed.service import ROOT

# In its own namespaces, all mounts of the drill end before the directory is deleted.
ALONE = "unshare --mount --pid --fork --kill-child --propagation=private".split()
# A mirror of the package index can be in /opt.
BASE = ["/usr", "/etc", sys.base_prefix, *map(str, Path("/opt").iterdir())]
DEVICES = ["/dev/null", "/dev/urandom"]
SETTINGS = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "0f8b2c61d94e7a35-b7d1e9c40a52f638",
    "DATABASE_URL": "sqlite:////tmp/app.db",
    "ALLOWED_HOSTS": "127.0.0.1",
}
MOUNT = """
ln -s usr/bin usr/lib usr/lib64 "$0"; mkdir -p "$0/proc" "$0/tmp" "$0/dev/shm"
for each; do
    if [ -d "$each" ]; then mkdir -p "$0$each"; else touch "$0$each"; fi
    mount --bind --options ro "$each" "$0$each"
done
mount -t proc proc "$0/proc"
mount -t tmpfs tmpfs "$0/tmp"
mount -t tmpfs tmpfs "$0/dev/shm"
"""


class Stage:
    def __init__(self, root: Path) -> None:
        self.root, self.directory, self.user = root, "/", "0:0"
        path = f"{sys.base_prefix}/bin:/usr/sbin:/usr/bin"
        self.environment = {**os.environ, "PATH": path}
        root.mkdir()
        line = ["sh", "-ec", MOUNT, str(root), *BASE, *DEVICES]
        subprocess.run(line, check=True)

    def copy(self, context: Path, sources: list[str], target: str) -> None:
        into = self.root / os.path.join(self.directory, target).lstrip("/")
        into.mkdir(parents=True, exist_ok=True)
        for path in (context / source.lstrip("/") for source in sources):
            if path.is_dir():
                shutil.copytree(path, into, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy(path, into)

    def start(self, *line: str) -> subprocess.Popen[bytes]:
        inside = ["sh", "-c", 'cd "$0" && exec "$@"', self.directory, *line]
        chroot = ["chroot", f"--userspec={self.user}", str(self.root), *inside]
        return subprocess.Popen(chroot, env=self.environment)

    def run(self, *line: str) -> None:
        assert self.start(*line).wait() == 0, line


def build(directory: Path) -> tuple[Stage, dict[str, str]]:
    stages: dict[str, Stage] = {}
    steps = instructions(ROOT / "deploy/Dockerfile")
    for name, value in steps[1:]:  # after the base image
        if name == "FROM":
            alias = value.partition(" AS ")[2]
            stages[alias] = Stage(directory / f"root-{alias}")
        else:
            take(name, value, [*stages.values()][-1], stages)
    return stages[""], {step.name: step.value for step in steps}


def take(name: str, value: str, stage: Stage, stages: dict[str, Stage]) -> None:
    match name:
        case "WORKDIR":
            stage.directory = value
            (stage.root / value.lstrip("/")).mkdir(parents=True, exist_ok=True)
        case "COPY":
            *sources, target = value.split()
            other = sources[0].partition("--from=")[2]
            context = stages[other].root if other else ROOT
            stage.copy(context, sources[1:] if other else sources, target)
        case "RUN":
            stage.run("sh", "-ec", value)
        case "ENV":
            for pair in value.split():
                key, _, text = pair.partition("=")
                text = text.replace("$PATH", stage.environment["PATH"])
                stage.environment[key] = text
        case "USER":
            stage.user = value


def check(directory: Path) -> None:
    stage, last = build(directory)
    root = str(stage.root)
    size = sum(file.lstat().st_size for file in (stage.root / "opt/app").rglob("*"))
    for options in ("rbind", "remount,bind,ro"):
        subprocess.run(["mount", "--options", options, root, root], check=True)
    stage.environment |= SETTINGS
    stage.run("sh", "-c", "! touch /opt/app/x && ! touch /x")
    stage.run(NAME, "db", "upgrade")
    server = stage.start(*json.loads(last["CMD"]))
    health = json.loads(last["HEALTHCHECK"].partition("CMD ")[2])
    while stage.start(*health).wait() != 0:
        assert server.poll() is None, "The server has ended."
        time.sleep(1)
    server.terminate()
    assert server.wait() == 0
    print(f"The image starts, is healthy and stops. /opt/app has {size / 1e6:.0f} MB.")


def main() -> None:
    if sys.argv[1:]:
        check(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as directory:
        line = [*ALONE, sys.executable, "-m", "drills.image", directory]
        sys.exit(subprocess.run(line, cwd=ROOT, check=False).returncode)


if __name__ == "__main__":
    main()
