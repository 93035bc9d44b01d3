"""Makes docs/together.png, README's picture of the page /together: `make screenshot`.

It starts a server with demo data of its own, and lets two demo people write: one has lost a reply, the other is asked about
words that both have changed.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.schema.together_page import opened
from tests.serving import PATIENCE_SECONDS, ROOT, answers, free_port, until

PICTURE = ROOT / "docs" / "together.png"
MAX_BYTES = 150_000


def main() -> None:
    """Make the picture."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="katha-") as folder:
        command = [sys.executable, "manage.py", "serve", "--migrate", "--demo", "--workers", "1", "--port", str(port)]
        environment = {**os.environ, "KATHA_DATA": folder, "DJANGO_SETTINGS_MODULE": "backend.settings"}
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            until(lambda: answers(process, f"http://127.0.0.1:{port}/readyz"), "the server is ready")
            picture(f"http://127.0.0.1:{port}/together")
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=PATIENCE_SECONDS)
    size = PICTURE.stat().st_size
    print(f"{PICTURE.relative_to(ROOT)}: {size} bytes")
    if size > MAX_BYTES:
        sys.exit(f"It should have at most {MAX_BYTES}.")


def picture(url: str) -> None:
    """What two people do until it is taken."""
    with opened(url) as page:
        until(lambda: "," in page.here(0) and "," in page.here(1), "each is told of both")
        page.press(0, "Lose the next reply")
        page.type(0, 0, " The left one was hers, and the lamp was his.")
        page.saved()
        page.press(1, "Offline")
        page.type(1, 1, " Neither could see the other’s sea.")
        page.type(0, 1, " In the evening they changed windows.")
        until(lambda: page.statuses()[0] == "Saved", "the other one has saved")
        page.press(1, "Offline")
        until(lambda: "same words" in page.statuses()[1], "it is asked")
        page.session.size(1280, 960)
        page.session.run("scrollTo(0, 0)")
        page.session.screenshot(Path(PICTURE))


if __name__ == "__main__":
    main()
