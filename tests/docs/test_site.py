"""The site builds without a warning, and every link, anchor and image on every page leads somewhere."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import browser
import pytest

ROOT = Path(__file__).parents[2]


class Page(HTMLParser):
    """The addresses and the places of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places.add(given.get("id") or "")
        self.places.add(given.get("name") or "" if tag == "a" else "")
        address = given.get("src") if tag in {"img", "script"} else given.get("href")
        if address is not None and tag in {"a", "img", "link", "script"}:
            self.links.append(address)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "docs/site/build.py", "--out", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """Returns the pages by path."""
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def broken(pages: dict[Path, Page]) -> Iterator[str]:
    for path, page in pages.items():
        for link in page.links:
            address = urlsplit(link)
            if address.scheme or address.netloc:
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            if target.is_dir():
                target /= "index.html"
            if path.name == "404.html":  # at any address: its links begin at the root
                continue
            lost = address.fragment and target in pages and unquote(address.fragment) not in pages[target].places
            if lost or not target.is_file():
                yield f"{path.name}: {link}"


def test_every_link_anchor_and_image_leads_somewhere(pages: dict[Path, Page]) -> None:
    assert len(pages) > 50
    assert sum(len(page.links) for page in pages.values()) > 5000
    assert list(broken(pages)) == []


def test_a_broken_link_is_found(site: Path, pages: dict[Path, Page]) -> None:
    spoilt = Page(
        '<a href="costs.html#nowhere"></a><a href="nowhere.html"></a><img src="nowhere.png"><a href="costs.html"></a>'
    )
    assert len(list(broken({**pages, site / "index.html": spoilt}))) == 3


def test_no_page_asks_for_anything_outside(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        text = path.read_text(encoding="utf-8")
        assert "fonts.googleapis" not in text, path.name
        assert page.links


def test_every_page_is_in_the_navigation_once() -> None:
    text = (ROOT / "docs" / "site" / "navigation.json").read_text(encoding="utf-8")
    found = [place for place in _places(json.loads(text)) if place.endswith(".md")]
    assert len(found) == len(set(found))
    here = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    made = {"index.md", "reference/kinds.md", "reference/yaml.md", "reference/command_line.md"}
    assert set(found) == here | made


def _places(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for one in nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else []:
        yield from _places(one)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("reference/routes.html", ["chain_of_agents", "Chain of Agents: Large Language Models", "note_tokens", "512"]),
        ("reference/metrics.html", ["token_f1", "harmonic mean"]),
        ("reference/generators.html", ["cache_write", "money per million tokens"]),
        ("reference/yaml.html", ["max_failures", "a number, ≥ 0, ≤ 1"]),
        ("reference/command_line.html", ["ragvlc verify", "Usage: ragvlc ask"]),
        ("python.html", ["run_sweep", "Returns", "read_document"]),
        ("notebooks/01_one_question.html", ["Pipeline.load"]),
    ],
)
def test_the_reference_is_made_from_the_code(site: Path, pages: dict[Path, Page], page: str, words: list[str]) -> None:
    for word in words:
        assert word in pages[site / page].text, word


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Serves the site on a local port."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            """Prints nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


SEARCHED = """(() => {
  const found = [];
  const look = (node) => {
    for (const one of node.querySelectorAll('*')) {
      if (one.shadowRoot) { found.push(one.shadowRoot.textContent); look(one.shadowRoot); }
    }
  };
  look(document);
  return found.join(' ');
})()"""


@pytest.mark.skipif(browser.found() is None, reason=f"no browser: none of {', '.join(browser.NAMES)}")
@pytest.mark.parametrize("dark", [False, True])
def test_pages_work_in_a_browser_in_both_colours(address: str, tmp_path: Path, dark: bool) -> None:
    with browser.Browser(tmp_path, dark=dark) as window:
        for page in ("index.html", "reference/routes.html", "statistics.html"):
            window.call("Page.navigate", url=f"{address}/{page}")
            window.until(f"document.readyState === 'complete' && location.pathname === '/{page}'")
            scheme = window.run("document.body.dataset.mdColorScheme")
            assert scheme == ("slate" if dark else "default")
        window.run("document.querySelector('.md-search__button').click()")
        time.sleep(1)
        window.call("Input.insertText", text="Holm correction")
        window.until(f"{SEARCHED}.includes('Glossary')")
        assert window.complaints() == []
        assert {one for one in window.requested() if not one.startswith((address, "data:"))} == set()


@pytest.mark.skipif(browser.found() is None, reason=f"no browser: none of {', '.join(browser.NAMES)}")
def test_pages_fit_a_narrow_screen(address: str, tmp_path: Path) -> None:
    with browser.Browser(tmp_path) as window:
        window.call("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=True)
        for page in ("index.html", "tutorial.html", "reference/routes.html"):
            window.call("Page.navigate", url=f"{address}/{page}")
            window.until(f"document.readyState === 'complete' && location.pathname === '/{page}'")
            assert window.run("document.documentElement.scrollWidth") <= 400, page
