"""A headless Chromium driven through its pipe of the DevTools protocol, without a library for it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "ArrowRight": (39, ""), "ArrowLeft": (37, "")}
CONTROL = 2
SECONDS = 120


def found() -> str | None:
    """Returns the program of a browser on this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One browser with one window."""

    def __init__(self, folder: Path, *, dark: bool = False) -> None:
        self._number, self._session = 0, ""
        (read, self._write), (self._read, write) = os.pipe(), os.pipe()
        ends = [fcntl.fcntl(one, fcntl.F_DUPFD, 20) for one in (read, write)]
        program = found()
        assert program
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{ends[0]} 4>&{ends[1]}', program]
            + ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
            + ["--remote-debugging-pipe", "--window-size=1100,1400", f"--user-data-dir={folder / 'profile'}"]
            + ["--disable-background-networking", "--disable-component-update", "about:blank"],
            pass_fds=ends,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for one in (read, write, *ends):
            os.close(one)
        self._rest = b""
        self.events: list[dict[str, Any]] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(one for one in targets if one["type"] == "page")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        os.close(self._read)
        os.close(self._write)

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """Returns the browser's reply to a command; what it reports meanwhile is added to `events`."""
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._number, "method": method, "params": values, **session}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._message()
            if reply.get("id") == self._number:
                assert "error" not in reply, (method, reply["error"])
                return dict(reply["result"])
            self.events.append(reply)

    def _message(self) -> dict[str, Any]:
        until = time.monotonic() + SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0, until - time.monotonic()))
            assert ready, "the browser does not reply"
            piece = os.read(self._read, 1 << 16)
            assert piece, "the browser has ended"
            self._rest += piece
        first, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(first))

    def open(self, page: Path) -> None:
        """Opens a file and waits until it is there."""
        self.call("Page.navigate", url=page.as_uri())
        self.until("document.readyState === 'complete' && location.protocol === 'file:'")

    def run(self, script: str) -> Any:
        """Returns the value of an expression on the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str) -> None:
        """Waits until an expression is true."""
        until = time.monotonic() + SECONDS
        while not self.run(script):
            assert time.monotonic() < until, script
            time.sleep(0.05)

    def text(self, name: str) -> str:
        """Returns the text of an element with this id."""
        return str(self.run(f"document.getElementById({json.dumps(name)}).textContent"))

    def press(self, *keys: str, modifiers: int = 0) -> None:
        """Presses keys on the keyboard."""
        for key in keys:
            code, text = KEYS[key] if key in KEYS else (ord(key.upper()), key)
            held = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
            typed = {"text": text} if text and not modifiers else {}
            self.call("Input.dispatchKeyEvent", type="keyDown", **held, **typed)
            self.call("Input.dispatchKeyEvent", type="keyUp", **held)

    def write(self, name: str, text: str) -> None:
        """Replaces the text of a field by typing."""
        self.run(f"(() => {{ const one = {name}; one.focus(); one.select(); }})()")
        self.call("Input.insertText", text=text)

    def picture(self, file: Path) -> None:
        """Stores what the window shows."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def requested(self) -> set[str]:
        """Returns the addresses that the page asked for."""
        sent = (one["params"] for one in self.events if one.get("method") == "Network.requestWillBeSent")
        return {one["request"]["url"] for one in sent if not one["request"]["url"].startswith("blob:")}

    def complaints(self) -> list[str]:
        """Returns errors of scripts, and what the page's policy refused."""
        found = [one["params"]["entry"]["text"] for one in self.events if one.get("method") == "Log.entryAdded"]
        thrown = [str(one["params"]) for one in self.events if one.get("method") == "Runtime.exceptionThrown"]
        return found + thrown
