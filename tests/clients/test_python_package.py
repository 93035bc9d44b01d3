"""The Python package as somebody gets it: built, typed, and used as its README says."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.clients.conftest import PACKAGE

(EXAMPLE,) = re.findall(r"^```python\n(.*?)^```$", (PACKAGE / "README.md").read_text(), re.M | re.S)
ADDRESS = "http://127.0.0.1:8000"


@pytest.mark.django_db(transaction=True)
def test_the_example_does_what_it_says(live_url: str) -> None:
    """Somebody who copies it has written twice, in so many lines."""
    assert len([line for line in EXAMPLE.splitlines() if line.strip() and not line.strip().startswith("#")]) <= 20
    program = EXAMPLE.replace(ADDRESS, live_url)
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE / "src")}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (ran.stderr, ran.stdout.split()) == ("", ["WRITTEN", "SAVED"])


def test_what_is_built_needs_no_checkout(tmp_path: Path) -> None:
    """The wheel has the types and the merge, says that it is typed, and is imported alone."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=PACKAGE, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        packed.extractall(tmp_path / "installed")
    generated = {
        f"katha_client/generated/{name}.py" for name in ("__init__", "types", "mutations", "merge", "merge_law")
    }
    assert {"katha_client/py.typed", *generated} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    program = (
        "import sys, katha_client; print(katha_client.__file__, 'backend' in sys.modules, 'django' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    where, *loaded = ran.stdout.split()
    assert (Path(where).parents[1], loaded) == (tmp_path / "installed", ["False", "False"])
