"""Builds the site: `make docs`. Pages of `docs/`, the notebooks and pages made from the code, in `build/site/html`.

python docs/site/build.py [--out FOLDER] [--serve]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter
from reference import family_names, pages

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"(?<!\!)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]*)(#[^)]*)?\)")

Nav = list[dict[str, "str | Nav"]]


def navigation() -> Nav:
    """Returns the pages by chapter, as `docs/site/navigation.json` has them, with the pages made from code."""
    given: Nav = json.loads((DOCS / "site" / "navigation.json").read_text(encoding="utf-8"))
    made = {"KINDS": [{family: f"reference/{family}.md"} for family in family_names()]}
    made["NOTEBOOKS"] = [{_title(path): f"notebooks/{path.stem}.md"} for path in notebooks()]
    return [{name: _filled(entries, made) for name, entries in chapter.items()} for chapter in given]


def _filled(entries: str | Nav, made: Mapping[str, Nav]) -> str | Nav:
    if isinstance(entries, str):
        return entries
    found: Nav = []
    for entry in entries:
        for name, place in entry.items():
            found += made[place] if isinstance(place, str) and place in made else [{name: place}]
    return found


def notebooks() -> list[Path]:
    """Returns the notebooks, in their order."""
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def stage(folder: Path) -> None:
    """Writes all pages, and what the site generator needs, into a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    target = folder / "docs"
    target.mkdir(parents=True)
    for path in sorted(DOCS.rglob("*")):
        place = path.relative_to(DOCS)
        if path.is_file() and place.parts[0] != "site":
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".md":
                (target / place).write_text(linked(path.read_text(encoding="utf-8"), place), encoding="utf-8")
            else:
                shutil.copy(path, target / place)
    front = (ROOT / "README.md").read_text(encoding="utf-8").replace("(docs/", "(")
    (target / "index.md").write_text(linked(front, Path("index.md")), encoding="utf-8")
    for place, text in pages():
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        (target / place).write_text(text, encoding="utf-8")
    for path in notebooks():
        _stage_notebook(path, target / "notebooks")
    shutil.copy(DOCS / "site" / "style.css", target / "style.css")
    (folder / "zensical.toml").write_text(_settings(), encoding="utf-8")


def linked(text: str, place: Path) -> str:
    """Returns a page whose links out of `docs/` became names: only pages of the site can be followed there."""

    def outside(found: re.Match[str]) -> str:
        words, target = found[1], found[2]
        inside = (DOCS / place.parent / target).resolve()
        if inside == ROOT / "README.md":
            return f"[{words}]({_upwards(place)}index.md{found[3] or ''})"
        if inside.is_relative_to(DOCS):
            return found[0]
        if inside.parent == ROOT / "notebooks":
            return f"[{words}]({_upwards(place)}notebooks/{inside.stem}.md)"
        return words if "`" in words else f"{words} (`{inside.relative_to(ROOT)}`)"

    return LINK.sub(outside, text)


def _upwards(place: Path) -> str:
    return "../" * (len(place.parts) - 1)


def _title(path: Path) -> str:
    notebook = nbformat.read(path, as_version=4)
    first = next(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return str(first.splitlines()[0].lstrip("# "))


def _stage_notebook(path: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    text, made = MarkdownExporter().from_filename(str(path), resources={"output_files_dir": f"{path.stem}_files"})
    head = f"*This page is the notebook `notebooks/{path.name}`.*\n\n"
    title, _, rest = text.strip().partition("\n")
    (folder / f"{path.stem}.md").write_text(f"{title}\n\n{head}{rest}\n", encoding="utf-8")
    for name, data in made.get("outputs", {}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)


def _toml(nav: str | Nav) -> str:
    if isinstance(nav, str):
        return json.dumps(nav, ensure_ascii=False)
    entries = (
        f"{{{json.dumps(name, ensure_ascii=False)} = {_toml(one)}}}" for each in nav for name, one in each.items()
    )
    return "[" + ", ".join(entries) + "]"


def _settings() -> str:
    text = (DOCS / "site" / "zensical.toml").read_text(encoding="utf-8")
    return text.replace("{{nav}}", _toml(navigation())).replace("{{root}}", json.dumps(str(ROOT)))


def _arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="folder of the pages and of html/")
    parser.add_argument("--serve", action="store_true", help="show it on a local address instead of building it")
    return parser.parse_args(given)


def main(given: list[str]) -> int:
    """Builds or serves the site."""
    chosen = _arguments(given)
    folder = chosen.out.resolve()
    stage(folder)
    command = ["serve"] if chosen.serve else ["build", "--clean", "--strict"]
    program = Path(sys.executable).with_name("zensical")
    ended = subprocess.run([program, *command, "-f", folder / "zensical.toml"], cwd=folder, check=False)  # noqa: S603
    if not ended.returncode and not chosen.serve:
        print(f"{folder / 'html' / 'index.html'}")  # noqa: T201 - a command
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
