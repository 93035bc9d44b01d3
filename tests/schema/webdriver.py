"""Drives a headless Chromium through chromedriver: just enough of W3C WebDriver for a test."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KEYS = {
    "Enter": "\ue006",
    "Tab": "\ue004",
    "Escape": "\ue00c",
    "Shift": "\ue008",
    "Ctrl": "\ue009",
    "Space": " ",
    "Down": "\ue015",
    "Left": "\ue012",
    "ArrowRight": "\ue014",
}
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
"""No name but the server's own resolves, so whatever a page needs must come from there."""
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_ARGUMENTS = ["--headless", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,900"]


def missing() -> list[str]:
    """The programs that a browser test needs and that this machine does not have."""
    return [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


@contextmanager
def browser(*arguments: str) -> Iterator["Browser"]:
    """One fresh browser, which is gone afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        session = Browser(f"http://127.0.0.1:{port}", [*_ARGUMENTS, *arguments])
        try:
            yield session
        finally:
            session.close()
    finally:
        driver.terminate()
        driver.wait(timeout=10)


class Browser:
    """One WebDriver session."""

    def __init__(self, driver: str, arguments: list[str]) -> None:
        """Wait for the driver, then start the browser."""
        self._base = driver
        until(lambda: self._call("GET", "/status")["ready"], "chromedriver answers")
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        opened = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._base = f"{driver}/session/{opened['sessionId']}"

    def close(self) -> None:
        """End the browser."""
        self._call("DELETE", "")

    def open(self, url: str) -> None:
        """Go to a page, and wait until all of it is there: chromedriver may return before the first page has its style sheet."""
        self._call("POST", "/url", {"url": url})
        there = "return document.readyState === 'complete' && location.href !== 'about:blank'"
        until(lambda: self.run(there), f"{url} is loaded")

    def run(self, script: str, *arguments: object) -> Any:
        """What a script returns that runs in the page."""
        return self._call("POST", "/execute/sync", {"script": script, "args": arguments})

    def click(self, xpath: str) -> None:
        """Click as a person does: what lies hidden or covered cannot be clicked."""
        found = self._call("POST", "/element", {"using": "xpath", "value": xpath})
        self._call("POST", f"/element/{found[_ELEMENT]}/click", {})

    def press(self, *keys: str) -> None:
        """Press these keys one after the other, each by the name of `KEYS` or as itself; `Ctrl+Enter` holds the first."""
        actions: list[dict[str, str]] = []
        for key in keys:
            chord = [KEYS.get(name, name) for name in key.split("+")]
            actions += [{"type": "keyDown", "value": one} for one in chord]
            actions += [{"type": "keyUp", "value": one} for one in reversed(chord)]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def size(self, width: int, height: int = 900) -> None:
        """Make the page so many CSS pixels wide and high, as on a telephone too, which no window can be."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", screen)

    def prefer(self, scheme: str) -> None:
        """Say that the person prefers `dark` or `light`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._devtools("Emulation.setEmulatedMedia", {"features": features})

    def focused(self) -> dict[str, str]:
        """The role and the label by which a screen reader says what has the keyboard's focus."""
        active = self._call("GET", "/element/active")[_ELEMENT]
        return {what: str(self._call("GET", f"/element/{active}/computed{what}")).strip() for what in ("role", "label")}

    def screenshot(self, path: Path) -> None:
        """Keep a picture of the page."""
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def complaints(self) -> list[str]:
        """What the browser's console has said since the last call, policy violations included."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def _devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode()[:500]}") from error


def until(true: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """Ask until the answer is yes; a refused connection or a missing element counts as no."""
    end = time.monotonic() + seconds
    while True:
        try:
            if answer := true():
                return answer
        except (AssertionError, OSError):
            if time.monotonic() > end:
                raise
        if time.monotonic() > end:
            raise AssertionError(f"It did not happen within {seconds} s that {what}.")
        time.sleep(0.05)
