"""Static files as `manage.py serve` has them: compressed, and kept for a year under names that change with them."""

import gzip
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.http import HttpResponse

from backend import settings as own
from tests.api.http import Client

pytestmark = pytest.mark.django_db

YEAR = "max-age=31536000, public, immutable"
HASHED = re.compile(r"/static/.+\.[0-9a-f]{12}\.\w+$")
NAMED = re.compile(r'(?:src|href)="(/static/[^"]+)"')
IMPORTED = re.compile(r'(?:import|export)\b[^"\';]*"\./([^"]+)"|import\("\./([^"]+)"\)')


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files are collected."""
    return tmp_path_factory.mktemp("static")


@pytest.fixture
def browser(settings: Any, folder: Path) -> Client:
    """A browser of a server that has collected its files, as `serve` does; the first test waits for it."""
    settings.STORAGES, settings.STATIC_ROOT = own.STORAGES, folder
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = False
    if not any(folder.iterdir()):
        call_command("collectstatic", interactive=False, verbosity=0)
    return Client(HTTP_ACCEPT="text/html", HTTP_ACCEPT_ENCODING="gzip")


def text(response: HttpResponse) -> str:
    content: bytes = b"".join(response.streaming_content) if response.streaming else response.content
    return (gzip.decompress(content) if "Content-Encoding" in response else content).decode()


def named(browser: Client, path: str) -> list[str]:
    """The static files that a page names."""
    return NAMED.findall(text(browser.get(path)))


@pytest.mark.parametrize("path", ["/", "/graphql", "/admin/login/"])
def test_what_a_page_names_is_kept_for_a_year_and_the_page_is_not(browser: Client, path: str) -> None:
    page = browser.get(path)
    assert "no-store" in page["Cache-Control"]
    found = named(browser, path)
    assert found
    for url in found:
        assert HASHED.match(url), url
        file = browser.get(url)
        assert (file.status_code, file["Cache-Control"]) == (200, YEAR)
        file.close()


def test_what_a_script_or_a_style_sheet_names_has_its_hash_too(browser: Client) -> None:
    """Otherwise a new script would work with an old module for a while."""
    (script,) = [url for url in named(browser, "/graphql") if "/explorer/explorer." in url and url.endswith(".js")]
    imported = ["".join(pair) for pair in IMPORTED.findall(text(browser.get(script)))]
    assert imported
    for name in imported:
        url = f"/static/explorer/{name}"
        assert HASHED.match(url), url
        file = browser.get(url)
        assert (file.status_code, file["Cache-Control"]) == (200, YEAR)
        file.close()
    (sheet,) = [url for url in named(browser, "/admin/login/") if "/css/base." in url]
    assert re.search(
        r'@import url\("[^"]+\.[0-9a-f]{12}\.css"\)|url\("[^"]+\.[0-9a-f]{12}\.svg"\)', text(browser.get(sheet))
    )


def test_none_of_our_scripts_imports_a_module_by_a_name_without_hash(browser: Client, folder: Path) -> None:
    """Whatever form of import it uses."""
    scripts = [one for one in (folder / "explorer").glob("*.js") if HASHED.match(f"/static/{one.name}")]
    assert len(scripts) > 1
    plain = re.compile(r"""(?:from|import)\s*\(?\s*["'`]\.?\.?/(?![^"'`]*\.[0-9a-f]{12}\.)[^"'`]*["'`]""")
    assert [(one.name, plain.findall(one.read_text())) for one in scripts if plain.search(one.read_text())] == []


def test_a_file_is_compressed_once_for_who_likes_it(browser: Client) -> None:
    """By its qualities; both say that there are two of it."""
    (sheet,) = [url for url in named(browser, "/graphql") if "/explorer/explorer." in url and url.endswith(".css")]
    packed = browser.get(sheet, headers={"accept-encoding": "br;q=1, gzip;q=0.5"})
    plain = browser.get(sheet, headers={"accept-encoding": "gzip;q=0, identity"})
    assert (packed["Content-Encoding"], packed["Vary"], plain["Vary"]) == (
        "gzip",
        "Accept-Encoding",
        "Accept-Encoding",
    )
    assert "Content-Encoding" not in plain
    assert text(packed) == text(plain)


def test_a_file_by_its_plain_name_is_asked_for_again(browser: Client) -> None:
    """It may be another tomorrow."""
    file = browser.get("/static/explorer/home.css")
    assert file["Cache-Control"] == "max-age=60, public"
    file.close()


def test_what_a_bundle_says_is_left_as_it_is(settings: Any, tmp_path: Path) -> None:
    """A string in it may look like the name of a file that there is not."""
    source, root = tmp_path / "source", tmp_path / "root"
    (source / "app" / "vendor").mkdir(parents=True)
    said = "//# sourceMappingURL=nothing.map"
    bundle = f'const help = `\nimport "./nothing.js";\n`; f("{said}");\n{said}\n'
    (source / "app" / "vendor" / "big.js").write_text(bundle)
    (source / "app" / "own.js").write_text(
        'import {\n  one,\n} from "./other.js";\nexport { two } from "./other.js";\n'
    )
    (source / "app" / "other.js").write_text("export const one = 1, two = 2;\n")
    settings.STORAGES, settings.STATIC_ROOT = own.STORAGES, root
    settings.STATICFILES_DIRS, settings.STATICFILES_FINDERS = (
        [source],
        ["django.contrib.staticfiles.finders.FileSystemFinder"],
    )
    call_command("collectstatic", interactive=False, verbosity=0)
    (whole,) = (root / "app" / "vendor").glob("big.*.js")
    assert whole.read_text() == bundle
    (own_script,) = (root / "app").glob("own.*.js")
    (other,) = (root / "app").glob("other.*.js")
    assert own_script.read_text().count(f'"./{other.name}"') == 2
