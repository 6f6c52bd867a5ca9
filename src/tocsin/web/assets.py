"""Static files under their content-hashed names.

Rule: a page links to a static file only through `Assets.url`, so that a file may be cached for ever
and a new release is seen at once. The manifest is written by the front-end build and read once.
"""

from functools import cache
from pathlib import Path

import msgspec

STATIC_DIRECTORY = Path(__file__).parent / "static"
STATIC_URL = "/static/"


class AssetsMissing(RuntimeError):
    """The static files were never built, or their manifest is damaged."""


class Assets(msgspec.Struct, frozen=True, kw_only=True):
    """Logical name to hashed file name, and the names of the icons in the sprite."""

    assets: dict[str, str]
    icons: frozenset[str]
    inputs: str = ""

    def url(self, name: str) -> str:
        """The address of a static file, such as `/static/app-5F3A90C1.css` for `app.css`."""
        try:
            return STATIC_URL + self.assets[name]
        except KeyError:
            known = ", ".join(sorted(self.assets))
            raise AssetsMissing(f"There is no static file {name!r}. Known: {known}.") from None

    def icon_url(self, name: str) -> str:
        """The address of one icon in the sprite; a name that is not drawn becomes a plain dot.

        A page with a wrong icon is better than no page while somebody is being paged.
        """
        return f"{self.url('icons.svg')}#i-{name if name in self.icons else 'dot'}"


def read_assets(directory: Path) -> Assets:
    """Read the manifest of one directory. Raises AssetsMissing with what to do about it."""
    manifest = directory / "manifest.json"
    try:
        return msgspec.json.decode(manifest.read_bytes(), type=Assets)
    except OSError:
        raise AssetsMissing(
            f"The web interface is not built: {manifest} is missing. "
            "Run `python hatch_build.py` in the checkout (or `make assets`), "
            "or install a wheel that was built without TOCSIN_SKIP_FRONTEND."
        ) from None
    except msgspec.MsgspecError as error:
        raise AssetsMissing(
            f"{manifest} is damaged ({error}). Run `python hatch_build.py --force`."
        ) from error


@cache
def assets() -> Assets:
    """The installed static files, read once per process."""
    return read_assets(STATIC_DIRECTORY)
