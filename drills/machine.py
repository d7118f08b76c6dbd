"""Paste the blocks of docs/deploying.md on a fresh Debian, as a new operator would.

debootstrap makes the machine and systemd-nspawn boots it, so that systemd, PostgreSQL
and Valkey are those of Debian. The drill needs Linux, root, both programs, and a
network. To use another release of Debian, name it: `python -m drills.machine bookworm`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from app.identity import NAME, VERSION
from testbed.service import ROOT

PAGE = ROOT / "docs/deploying.md"
NEWER = "99.0.0"
PACKAGES = "systemd-sysv,dbus,sudo,ca-certificates,iproute2,openssl"
# The machine reaches the package index as its host does. A mirror can be in /opt.
MIRRORS = [Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf"]
MIRRORS += Path("/opt").iterdir()
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
# This unit runs the commands that need systemd, and ends the machine with their result.
UNIT = """[Unit]
After=postgresql.service caddy.service
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=exec
User=ada
WorkingDirectory=/home/ada
ExecStart=bash -ev /home/ada/later
StandardOutput=file:/home/ada/output
StandardError=inherit
"""
CURL = 'curl() { command curl --insecure --fail "$@"; }\n'
# This client sends requests all the time, and ends when one of them fails.
CLIENT = """
while curl -sSo /dev/null https://api.example.com/api/v1/products; do sleep 0.1; done &
client=$!
"""
CHECKS = f"""
kill $client
sudo systemd-analyze security --threshold=20 {NAME}{{,-worker,-migrate}} >/dev/null
sudo journalctl -u {NAME} -o cat | grep -c '"event":"http.request"'
sudo systemctl start {NAME}-migrate
sudo systemctl stop {NAME}.socket {NAME} {NAME}-worker
! command curl -s http://127.0.0.1:8000/
"""


def blocks(heading: str) -> list[str]:
    """List the blocks below a heading of the page."""
    section = PAGE.read_text().partition(f"\n## {heading}")[2].partition("\n## ")[0]
    found = re.findall(r"^( *)```sh\n(.*?)^ *```$", section, re.MULTILINE | re.DOTALL)
    return [re.sub(f"^{indent}", "", text, flags=re.M) for indent, text in found]


def steps(valkey: str) -> tuple[str, str]:
    """Return the commands that need the network, and those that need systemd."""
    _, packages, user, install, command, *rest = blocks("How do I install it")
    database, settings, setup, start, tls = rest
    installed = install.replace(VERSION, NEWER), install  # the service runs the second
    early = [packages.replace("valkey-server", valkey), user, *installed, command]
    # The mail server of the page does not exist, so `doctor` fails.
    start = start.replace(f"{NAME} doctor", f"! {NAME} doctor")
    later = [CURL, database, settings, setup, start, tls, CLIENT, f"VERSION={NEWER}\n"]
    later += [*blocks("How do I deploy a new"), *blocks("How do I go back")[:2], CHECKS]
    return "".join(early), "".join(later)


def build(version: str, target: Path) -> None:
    """Write the wheel of this checkout, with the given version."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory)
        shutil.copytree(ROOT / "app", source / "app")
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            text = (ROOT / name).read_text()
            (source / name).write_text(text.replace(f'"{VERSION}"', f'"{version}"'))
        line = [sys.executable, "-m", "hatchling", "build", "--target=wheel"]
        subprocess.run([*line, "--directory", target], cwd=source, check=True)


def make(root: Path, release: str) -> None:
    """Make a machine with the user ada, who can run sudo."""
    line = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release]
    subprocess.run([*line, str(root)], check=True, stdout=subprocess.DEVNULL)
    shutil.copy(Path("/") / CERTIFICATES, root / CERTIFICATES)
    with (root / "etc/hosts").open("a") as hosts:
        hosts.write("127.0.0.1 localhost machine api.example.com\n")
    (root / "etc/hostname").write_text("machine\n")
    add = ["useradd", f"--root={root}", "--create-home", "--shell=/bin/bash", "ada"]
    subprocess.run(add, check=True)
    (root / "etc/sudoers.d/ada").write_text("ada ALL=(ALL) NOPASSWD: ALL\n")
    units = root / "etc/systemd/system"
    (units / "blocks.service").write_text(UNIT)
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "blocks.service").symlink_to("../blocks.service")


def copy(home: Path, valkey: str) -> None:
    """Copy the files that step 1 of the page makes, and write the other steps.

    Build the wheel in two versions.
    """
    for version in (VERSION, NEWER):
        build(version, home)
    for file in (ROOT / "requirements/base.txt", *(ROOT / "deploy/systemd").iterdir()):
        shutil.copy(file, home)
    caddy = (ROOT / "deploy/caddy/Caddyfile").read_text()
    own = caddy.replace("api.example.com {", "api.example.com {\n\ttls internal")
    (home / "Caddyfile").write_text(own)
    for name, text in zip(("early", "later"), steps(valkey), strict=True):
        (home / name).write_text(text)


def paste(root: Path) -> int:
    line = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit"]
    line += ["--console=pipe", f"--directory={root}", "--machine=machine"]
    mirrors = [f"--bind-ro={path}" for path in MIRRORS if path.exists()]
    early = ["--resolv-conf=copy-host", "su", "--login", "ada", "-c", "bash -ev early"]
    subprocess.run([*line, *mirrors, *early], check=True, stdin=subprocess.DEVNULL)
    # systemd in the machine needs cgroups of version 2, even if the host has version 1.
    environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    line += ["--private-network", "--resolv-conf=off", "--boot"]
    with (root / "console").open("wb") as console:
        ended = subprocess.run(
            line,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=console,
            env=environment,
        )
    print((root / "home/ada/output").read_text())
    return ended.returncode


def main() -> None:
    if os.getuid() or not all(map(shutil.which, ("debootstrap", "systemd-nspawn"))):
        print("drills.machine is skipped without root, debootstrap or systemd-nspawn.")
        return
    release = sys.argv[1] if sys.argv[1:] else "trixie"
    valkey = "redis-server" if release == "bookworm" else "valkey-server"
    with tempfile.TemporaryDirectory(prefix="machine") as directory:
        root = Path(directory) / "root"
        make(root, release)
        copy(root / "home/ada", valkey)
        code = paste(root)
    print(f"The blocks of {PAGE.name} {'fail' if code else 'work'} on {release}.")
    sys.exit(code)


if __name__ == "__main__":
    main()
