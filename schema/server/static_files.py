"""Static files under names that hold a hash of their content, so that browsers keep each for a year and never ask again.

`manage.py collectstatic` gives the names and compresses the files, `{% static %}` finds the names, WhiteNoise serves the files.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from re import Match

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]
from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]

IMPORTS = (
    (r"""(?m)^(?P<matched>(?P<what>(?:import|export)\b[^"';]*)"(?P<url>\./[^"]+)")""", '%(what)s"%(url)s"'),
    (r"""(?P<matched>import\("(?P<url>\./[^"]+)"\))""", 'import("%(url)s")'),
)
"""How our scripts name the modules that they need. Django has such expressions too, which take half a minute for a bundle."""
BUNDLES = "/vendor/"
"""In the paths of files that were built elsewhere: each is whole in itself, and names no other."""


def sources() -> str:
    """What is to be collected, and how: a digest that changes with any file. Names, sizes and times tell, as to `make`."""
    found = [f"{settings.STORAGES['staticfiles']}", f"{Path(__file__).stat().st_mtime_ns}"]
    for finder in get_finders():
        for path, storage in finder.list([]):
            stat = Path(storage.path(path)).stat()
            found.append(f"{path} {stat.st_size} {stat.st_mtime_ns}")
    return hashlib.blake2b("\n".join(found).encode()).hexdigest()


class Storage(CompressedManifestStaticFilesStorage):
    """Where the files are collected. What one names, such as the module that it imports, is named there with its hash too."""

    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("*.js", IMPORTS))
    keep_intermediate_files = False

    def url_converter(
        self, name: str, hashed_files: dict[str, str], template: str | None = None
    ) -> Callable[[Match[str]], str]:
        """What replaces a name in a file. In a bundle what looks like a name may be a part of a string."""
        if BUNDLES in name:
            return lambda match: match[0]
        converter: Callable[[Match[str]], str] = super().url_converter(name, hashed_files, template)
        return converter


class StaticFiles(WhiteNoiseMiddleware):
    """Serves them. A name with a hash is for a year, any other for a minute."""

    FOREVER = 365 * 24 * 3600
