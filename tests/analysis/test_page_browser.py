"""The HTML report in a real browser: texts of others stay texts, everything opens and prints, and it fits a phone."""

from __future__ import annotations

from pathlib import Path

import analysis_things as things
import pytest
from browser import NAMES, Browser, found

from ragvlc.analysis.page import write_html

pytestmark = pytest.mark.skipif(found() is None, reason=f"no browser: none of {', '.join(NAMES)}")
PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
OPENED = "document.querySelectorAll('details').forEach(one => one.open = true)"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes the report of hostile results, with the texts of their documents."""
    return write_html(things.hostile(tmp_path_factory.mktemp("hostile")), texts=things.TEXTS)


def test_hostile_texts_are_seen_and_do_nothing(report: Path, tmp_path: Path) -> None:
    with Browser(tmp_path) as browser:
        browser.call("Page.addScriptToEvaluateOnNewDocument", source="window.alert = () => { window.obeyed = 1 }")
        browser.open(report)
        browser.run(OPENED)
        assert browser.run("document.images.length") == 0
        assert browser.run("document.scripts.length") == 1
        for place in (
            "#answer",
            "#tables th[scope=row]",
            "#questions summary",
            "#questions td.answer-text",
            "#failures",
        ):
            shown = browser.run(f"[...document.querySelectorAll('{place}')].map(one => one.innerText).join()")
            assert things.HOSTILE in shown, place
        assert browser.run("document.querySelector('#questions .passages .text').innerText").startswith("<script>d")
        assert browser.run("document.querySelectorAll('#questions mark').length") > 0
        assert browser.run("window.obeyed") is None
        assert browser.complaints() == []
        assert browser.requested() == {report.as_uri()}


def test_sections_are_beside_each_other_and_the_menu_leads_to_them(report: Path, tmp_path: Path) -> None:
    with Browser(tmp_path) as browser:
        browser.open(report)
        targets = browser.run("[...document.querySelectorAll('nav a')].map(one => one.hash)")
        assert targets
        for target in targets:
            browser.run(f"document.querySelector('nav a[href=\"{target}\"]').click()")
            assert browser.run(f"document.querySelector('{target}').parentElement === document.body"), target
            browser.until(f"location.hash === '{target}' && document.querySelector('{target}').offsetHeight > 0")
        assert browser.run(
            "[...document.querySelectorAll('section')].every(one => one.parentElement === document.body)"
        )


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_a_phone_and_is_read_in_the_dark(report: Path, tmp_path: Path, *, dark: bool) -> None:
    with Browser(tmp_path, dark=dark) as browser:
        browser.call("Emulation.setDeviceMetricsOverride", **PHONE)
        browser.open(report)
        browser.run(OPENED)
        assert not browser.run(WIDE), "tables and figures scroll in their own frames"
        ink, paper = (browser.run(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
        light = [sum(map(int, one.removeprefix("rgb(").removesuffix(")").split(","))) for one in (ink, paper)]
        assert (light[0] - light[1] > 400) is dark
        assert (light[1] - light[0] > 400) is not dark


def test_on_paper_folded_parts_are_there(report: Path, tmp_path: Path) -> None:
    with Browser(tmp_path) as browser:
        browser.open(report)
        height = "document.querySelector('details.question:last-of-type td.answer-text').offsetHeight"
        assert not browser.run("document.querySelector('details.question:last-of-type').open")
        browser.call("Emulation.setEmulatedMedia", media="print")
        assert browser.run(height) > 0
        assert browser.run("document.querySelector('nav').offsetHeight") == 0


FIRST = "document.querySelectorAll('#tables table')[0]"
ROWS = "[...document.querySelectorAll('#tables tbody tr')]"
ASKED = "[...document.querySelectorAll('#questions details.question')]"
CHOSEN = "document.querySelector('#questions .filter select')"


def column(browser: Browser, place: int) -> list[str]:
    """Returns the texts of a column of the first table."""
    return list(browser.run(f"[...{FIRST}.tBodies[0].rows].map(one => one.cells[{place}].textContent)"))


def test_tables_are_sorted_by_a_click_or_a_key_on_a_head(report: Path, tmp_path: Path) -> None:
    with Browser(tmp_path) as browser:
        browser.open(report)
        head = f"{FIRST}.tHead.rows[0].cells[1]"
        before = column(browser, 1)
        scores = [float(text.split()[0]) for text in before]
        assert len(set(scores)) > 2
        browser.run(f"{head}.click()")
        assert [float(text.split()[0]) for text in column(browser, 1)] == sorted(scores, reverse=True)
        assert browser.run(f"{head}.getAttribute('aria-sort')") == "descending"
        browser.run(f"{head}.focus()")
        browser.press("Enter")
        assert [float(text.split()[0]) for text in column(browser, 1)] == sorted(scores)
        browser.press("Enter")
        assert column(browser, 1) == before
        assert browser.run(f"{head}.getAttribute('aria-sort')") is None
        browser.run(f"{FIRST}.tHead.rows[0].cells[0].click()")
        assert column(browser, 0) == sorted(column(browser, 0))
        assert browser.complaints() == []


def test_cells_and_questions_are_filtered(report: Path, tmp_path: Path) -> None:
    shown = f"{ASKED}.filter(one => !one.hidden).length"
    with Browser(tmp_path) as browser:
        browser.open(report)
        browser.write("document.querySelector('#tables .filter input')", "size=64")
        rows = browser.run(f"{ROWS}.filter(one => !one.hidden).length")
        assert rows > 0
        assert browser.run(f"{ROWS}.every(one => one.hidden !== one.cells[0].textContent.includes('size=64'))")
        said = browser.run("document.querySelector('#tables .filter [role=status]').textContent")
        assert said.startswith(f"{rows} of ")
        total = browser.run(shown)
        assert total > 1
        browser.write("document.querySelector('#questions .filter input')", "nowhere to be found")
        assert browser.run(shown) == 0
        browser.write("document.querySelector('#questions .filter input')", " ")
        assert browser.run(shown) == total
        browser.run(f"{CHOSEN}.selectedIndex = 1; {CHOSEN}.dispatchEvent(new Event('change'))")
        kept = f"[...one.querySelector('table').tBodies[0].rows].find(x => x.cells[0].textContent === {CHOSEN}.value)"
        right = f"{ASKED}.map(one => [one.hidden, {kept}]).filter(([, row]) => row)"
        assert browser.run(f"{right}.length") > 0
        assert browser.run(f"{right}.every(([hid, row]) => hid === parseFloat(row.cells[2].textContent) >= 1)")
        assert browser.complaints() == []


def test_hostile_names_are_filtered_as_text(report: Path, tmp_path: Path) -> None:
    with Browser(tmp_path) as browser:
        browser.call("Page.addScriptToEvaluateOnNewDocument", source="window.alert = () => { window.obeyed = 1 }")
        browser.open(report)
        for head in range(browser.run("document.querySelectorAll('th.sorts').length")):
            browser.run(f"document.querySelectorAll('th.sorts')[{head}].click()")
        assert browser.run("window.obeyed") is None
        assert browser.run("document.scripts.length") == 1
        assert browser.complaints() == []
