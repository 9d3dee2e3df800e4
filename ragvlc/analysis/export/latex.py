r"""Tables as LaTeX, for `\usepackage{booktabs}`; they compile with pdflatex, XeLaTeX and LuaLaTeX.

Every text is escaped. A character that pdflatex has no glyph for is written by a macro that shows the character where
the engine reads Unicode, and its number where it does not.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from ragvlc.core.texts import visible

if TYPE_CHECKING:
    from ragvlc.analysis.tables import Entry, Table

__all__ = ["escaped", "latex_table"]

_SIGNS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", "'": "{'}", '"': "{''}", "[": "{[}", "]": "{]}", "*": "{*}",
    "-": "{-}", "\n": " ", "\t": " ", "\u00a0": "~", "\u2212": "$-$", "\u00d7": r"$\times$", "\u2265": r"$\geq$",
    "\u2264": r"$\leq$", "\u00b1": r"$\pm$", "\u2192": r"$\rightarrow$", "\u00b7": r"\textperiodcentered{}",
    "\u2026": r"\ldots{}", "\u2013": "--", "\u2014": "---", "\u2018": "`", "\u2019": "'", "\u201c": "``",
    "\u201d": "''", "\u00b0": r"\textdegree{}", "\u2020": r"\textdagger{}", "\u20ac": r"\texteuro{}",
    "\u00df": r"\ss{}", "\u00e6": r"\ae{}", "\u00c6": r"\AE{}", "\u0153": r"\oe{}", "\u0152": r"\OE{}",
    "\u00f8": r"\o{}", "\u00d8": r"\O{}", "\u0142": r"\l{}", "\u0141": r"\L{}",
}  # fmt: skip
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
}  # fmt: skip
LINE_END = r" \\ "
WIDE = 88
"""Characters of a row that a page of an article has room for, in small type."""
_NUMBER = re.compile(r"(?<![\w.])-(?=\.?\d)")
_MACRO = r"""\ifdefined\ragvlcchar\else
  % Shows a character in XeLaTeX and LuaLaTeX, and its number in pdflatex, which does not know it. It expands, so
  % that lists of tables hold what it shows.
  \newcommand{\ragvlcchar}[2]{\ifdefined\Umathcode #1\else [U+#2]\fi}
\fi
"""


def escaped(text: str) -> str:
    """Returns a text as LaTeX shows it, letter by letter, on one line."""
    return "".join(_SIGNS.get(one) or _letter(one) for one in visible(text))


def latex_table(table: Table, label: str, source: str) -> str:
    """Returns a table as a `table` environment, with the intervals beside the figures and the best in bold.

    Args:
        table: to write.
        label: of the table, for `ref`.
        source: name of the results, for a comment.
    """
    heads = " & ".join(["", *(_braced(head) for head in table.heads)])
    rows = [" & ".join([escaped(name), *map(_figure, entries)]) + r" \\" for name, entries in table.rows]
    note = [r"  \par\smallskip", rf"  \parbox{{\linewidth}}{{\footnotesize {escaped(table.note)}}}"]
    lines = [
        r"\begin{table}",
        r"  \centering\small",
        rf"  \caption{{{escaped(table.title)}}}",
        rf"  \label{{tab:{label}}}",
        rf"  \begin{{tabular}}{{l{'r' * len(table.heads)}}}",
        r"    \toprule",
        rf"    {heads} \\",
        r"    \midrule",
        *(f"    {row}" for row in rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        *(note if table.note else []),
        r"\end{table}",
    ]
    text = "\n".join(lines) + "\n"
    opening = f"% {' '.join(visible(source).split())}: written by ragvlc. Needs \\usepackage{{booktabs}}.\n"
    if _width(table) > WIDE:
        opening += "% Wider than the text of an article: table* and \\resizebox help, or fewer --columns.\n"
    return opening + (_MACRO if r"\ragvlcchar{" in text else "") + text


def _figure(entry: Entry) -> str:
    if entry.word:
        return "--" if entry.word == "-" else escaped(entry.word)
    if entry.value is None:
        return "--"
    figure = rf"\textbf{{{_numbers(entry.text)}}}" if entry.best else _numbers(entry.text)
    return rf"{figure} {{\footnotesize {_numbers(entry.interval)}}}" if entry.interval else figure


def _numbers(text: str) -> str:
    """Returns figures with minus signs, and not hyphens."""
    return escaped(_NUMBER.sub("\u2212", text))


def _braced(head: str) -> str:
    lines = [escaped(line) for line in head.splitlines() if line.strip()]
    if len(lines) < 2:
        return f"{{{''.join(lines)}}}"
    return rf"{{\shortstack[r]{{{LINE_END.join(lines)}}}}}"


def _width(table: Table) -> int:
    """Returns the number of characters of the widest row; bounds, which are small, count three quarters."""
    columns = [max((len(name) for name, _ in table.rows), default=0)]
    for place, head in enumerate(table.heads):
        figures = [len(row[place].text) + 3 * len(row[place].interval) // 4 for _, row in table.rows]
        columns.append(2 + max([*figures, *map(len, head.splitlines())], default=0))
    return sum(columns)


def _letter(one: str) -> str:
    """Returns a letter with its accent as commands that every encoding has; others by the macro."""
    if one.isascii():
        return one
    base, accent = [*unicodedata.normalize("NFD", one), ""][:2]
    if len(unicodedata.normalize("NFD", one)) == 2 and base.isascii() and base.isalpha() and accent in _ACCENTS:
        return rf"\{_ACCENTS[accent]}{{{_dotless(base) if accent != chr(0x327) else base}}}"
    return rf"\ragvlcchar{{{one}}}{{{ord(one):04X}}}"


def _dotless(letter: str) -> str:
    return {"i": r"\i", "j": r"\j"}.get(letter, letter)
