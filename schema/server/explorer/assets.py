"""The URLs of GraphiQL's files: our own static files, or a CDN if those were not built."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.templatetags.static import static

_HERE = Path(__file__).parent
_PINNED = json.loads((_HERE / "assets.json").read_text(encoding="utf-8"))

CDN: str = _PINNED["cdn"]


@dataclass(frozen=True)
class Asset:
    """A script or style sheet; `integrity` is set only for files from a CDN."""

    url: str
    integrity: str = ""


@cache
def vendored() -> bool:
    """Whether all files were built. Cached, because static files are indexed once at startup too."""
    vendor = _HERE / "static" / "explorer" / "vendor"
    return all((vendor / Path(file["path"]).name).is_file() for file in _PINNED["files"])


def assets(suffix: str) -> list[Asset]:
    """The files that end in `suffix`, in the order in which they must be loaded."""
    return [_asset(file) for file in _PINNED["files"] if file["path"].endswith(suffix)]


def _asset(file: dict[str, str]) -> Asset:
    if vendored():
        return Asset(static(f"explorer/vendor/{Path(file['path']).name}"))
    return Asset(f"{CDN}/npm/{file['package']}@{file['version']}/{file['path']}", file["integrity"])
