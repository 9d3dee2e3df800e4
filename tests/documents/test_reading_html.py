"""HTML pages: all that browsers show, without limits of depth and size, in linear time; nothing that they hide."""

from __future__ import annotations

import random
import time
from collections import Counter

import html5lib
import pytest

from ragvlc.documents.extraction import Settings, extract
from ragvlc.documents.formats.found import lost_characters, visible
from ragvlc.documents.formats.html import page

TEN = ("p", "div", "span", "b", "font", "i", "li", "td", "a", "ul")
UNSEEN = {"script", "style", "template", "title", "noscript", "iframe", "head"}


def text_of(source: str, **settings) -> str:
    return page(source, Settings(**settings)).text


def oracle(source: str) -> Counter[str]:
    """Returns the visible characters as html5lib builds the page."""
    tree = html5lib.parse(source, namespaceHTMLElements=False)
    texts, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        if not isinstance(node.tag, str):  # a comment
            texts.append(node.tail or "")
            continue
        texts.append(node.tail or "")
        if node.tag not in UNSEEN and "hidden" not in node.attrib:
            texts.append(node.text or "")
            waiting += list(node)
    return visible("\n".join(texts))


@pytest.mark.parametrize("tag", TEN)
def test_a_thousand_unclosed_tags_lose_nothing(tag):
    source = "".join(f"<{tag}>item {n}, " for n in range(1000))
    found = page(source, Settings())
    assert [found.text.split().count(f"{n},") for n in (0, 127, 999)] == [1, 1, 1]
    assert found.text.count("item") == 1000
    assert lost_characters(found.held or {}, found.text) == 0


def test_paragraphs_with_unclosed_fonts_as_old_filings_have_them():
    source = "<html><body>" + "".join(f"<p><font size=2>Item {n} says {7 * n}." for n in range(300))
    assert text_of(source).split("\n\n") == [f"Item {n} says {7 * n}." for n in range(300)]


@pytest.mark.parametrize("tag", ["div", "span", "blockquote", "b", "table><tr><td"])
def test_fifty_thousand_levels(tag):
    source = f"<{tag}>x " * 50_000 + "the end"
    found = page(source, Settings())
    assert found.text.count("x") == 50_000
    assert found.text.endswith("the end")


def test_a_text_of_fifty_megabytes():
    found = page("<p>" + "word " * 10_000_000 + "end</p>", Settings())
    assert len(found.text) == 50_000_003
    assert found.text.endswith("word end")


@pytest.mark.parametrize(
    "source",
    [
        "<div>x ",
        "<p><font size={n}>x ",
        "<p>a <b>b</b> c</p>",
        "<span><div>x</span>",
        "<table><tr><td>x",
        "<ul><li>x",
        "<!-- ",
        "<a href='",
        "< x",
        "<p a{n}=1 ",
    ],
)
def test_time_grows_no_faster_than_the_page(source):
    def seconds(count: int) -> float:
        text = "".join(source.replace("{n}", str(n)) for n in range(count))
        begun = time.process_time()
        page(text, Settings())
        return time.process_time() - begun

    seconds(2000)
    small, large = min(seconds(8000) for _ in range(3)), seconds(64_000)
    assert large < 0.5 + 8 * small * 2.5  # eight times the text; twice and a half for the machine


def test_what_is_hidden_stays_out_and_is_accounted_for():
    source = (
        "<title>The page</title><style>p {color: red}</style><script>document.write('<p>no</p>')</script>"
        "<body><template><p>no</template><noscript>for old ones</noscript><p hidden>secret</p>"
        "<p style='display : none'>gone</p>"
        '<p style="color:red;visibility:hidden">gone</p><dialog>later</dialog><p hidden=until-found>found</p>'
        "<!-- no --><iframe>no</iframe><p>seen</p><details><summary>more</summary>opened</details>"
    )
    found = page(source, Settings())
    assert found.text.split() == ["found", "seen", "more", "opened"]
    assert found.title == "The page"
    assert found.left_out == {"for browsers without scripts": 10, "hidden": 6 + 4 + 4 + 5}
    assert lost_characters(found.held or {}, found.text) == 0


def test_hidden_texts_within_tags_that_are_never_closed():
    source = "<div>" * 600 + "<b hidden>" * 100 + "no" + "</b>" * 100 + "</div>" * 600 + "yes"
    found = page(source, Settings())
    assert (found.text, found.left_out) == ("yes", {"hidden": 2})


MESSY = [
    "<p>a<table>b<tr><td>c</table>d",
    "<ul><li>a<ul><li>b</ul>c<li>d</ul>e",
    "<b><p>a</b>b</p>c",
    "<a href=x>a<a href=y>b</a>c",
    "<select><option>a<option>b<p>c</select>d",
    "<p title='a > b'>c</p x='y'>d",
    "<p>a &lt;b&gt; &amp;amp; &copy &notit; &#8364; &#x41;",
    "a<br/>b<hr>c<img src=x>d",
    "<textarea>a<b>b</b></textarea>c",
    "<h1>a<h2>b</h1>c",
    "<table><caption>a<tr><th>b<td>c<tfoot><tr><td>d</table>",
    "<div><span>a</div>b</span>c",
    "<svg><text>a</text><circle/></svg>b",
    "a<!-- b --!>c<!doctype html>d<?php e ?>f</>g< h",
    "<ruby>漢<rt>かん</ruby>",
    "<button>a<button>b",
    "<dl><dt>a<dd>b<dt>c</dl>",
    "<p>a<p>b<div>c<p>d",
    "<form>a<form>b</form>c</form>d",
]


@pytest.mark.parametrize("source", MESSY)
def test_messy_pages_give_what_an_independent_parser_of_the_standard_gives(source):
    assert not oracle(source) - visible(text_of(source))


def test_pages_at_random_give_what_an_independent_parser_gives():
    rng = random.Random(11)
    names = ["p", "div", "b", "i", "a", "li", "ul", "table", "tr", "td", "span", "h2", "section", "font", "pre", "em"]
    for _ in range(300):
        pieces = []
        for n in range(rng.randrange(5, 60)):
            name = rng.choice(names)
            pieces.append(rng.choice([f"<{name}>", f"<{name}>", f"</{name}>", f" w{n} ", "<br>", "&amp;"]))
        source = "".join(pieces)
        assert not oracle(source) - visible(text_of(source)), source


def test_deep_pages_at_random_keep_every_word():
    rng = random.Random(5)
    for _ in range(10):
        names = ["div", "p", "b", "ul", "li", "section", "span", "td", "table", "font", "x-y"]
        pieces = [rng.choice([f"<{rng.choice(names)}>", f"</{rng.choice(names)}>", f" w{n} "]) for n in range(20_000)]
        source = "<div>" * 400 + "".join(pieces)
        found = page(source, Settings())
        wanted = [piece.strip() for piece in pieces if piece.startswith(" w")]
        assert Counter(found.text.replace("|", " ").split()) >= Counter(wanted)


def test_the_layout_of_a_page():
    source = """<h1>Head <i>one</i></h1><p>One&nbsp;two
      three<ul><li>a<ul><li>b</ul><li>c</ul><ol start=3><li>x<li>y</ol><pre>
 code
   more</pre><div><div><p>   deep</div></div><blockquote>said</blockquote>a<sup>2</sup>"""
    assert text_of(source) == (
        "Head one\n\nOne two three\n\n- a\n* b\n- c\n3. x\n4. y\n code\n   more\n\ndeep\n\nsaid\na2"
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<a>Latest</a><a>Video</a>", "Latest Video"),
        ("<a><span>x</span></a><a><span>y</span></a>", "x y"),
        ("<b>Filed to:</b><a>pond</a>", "Filed to: pond"),
        ("<span>readers</span><span>Others</span>", "readers Others"),
        ("<span>W</span>ord and <b>b</b>old, H<sub>2</sub>O", "Word and bold, H2O"),
        ("<select><option>one<option>two</select>", "one two"),
        ("<div>" * 600 + "<a>Latest</a><a>Video</a>", "Latest Video"),
    ],
)
def test_words_of_two_elements_do_not_become_one_and_a_word_of_two_does_not_become_two(source, text):
    assert text_of(source) == text


def test_tables_are_rows_with_their_empty_cells():
    source = """<table><caption>Cap</caption><tr><th>A<th>B<th>C<tr><td rowspan=2>1<td colspan=2>2<tr><td>|<td></table>
        <table><tr><td><h2>Layout</h2><td>of a page</table>"""
    found = page(source, Settings())
    assert found.text == "Cap\n\n| A | B | C |\n| --- | --- | --- |\n| 1 | 2 |  |\n|  | \\| |  |\n\nLayout\n\nof a page"
    assert [found.text[start:end] for start, end, _ in found.headings] == ["Layout"]


def test_headings_are_spans_of_the_text():
    found = page("<p>a</p><h1> One <b>two</b></h1><p>b<h3>Three<br>four</h3><h2></h2>", Settings())
    assert [(found.text[start:end], level) for start, end, level in found.headings] == [
        ("One two", 1),
        ("Three\nfour", 3),
    ]
    assert found.metadata() == {"headings": [list(one) for one in found.headings]}


def test_navigation_can_be_left_out():
    source = (
        "<header>top</header><nav>Home | About</nav><div role=banner>ad</div><main><header>of the article</header>"
        "<p>Text.<aside>beside</aside><footer>by Ada</footer></main><footer>imprint</footer>"
    )
    assert "Home | About" in text_of(source)
    found = page(source, Settings(boilerplate=False))
    assert found.text.split("\n") == ["of the article", "", "Text.", "", "by Ada"]
    assert found.left_out == {"navigation, page heads and feet": 3 + 10 - 0 + 2 + 6 + 7}
    assert lost_characters(found.held or {}, found.text) == 0


def test_nothing_is_indented_and_nothing_is_padded():
    nested = "<div><ul><li>   a <table><tr><td>wide cell<td>b<tr><td>c<td>d</table>" * 30
    for line in text_of(nested).splitlines():
        assert line == line.strip()
        assert "  " not in line


def test_a_tag_with_an_attribute_that_never_ends_swallows_the_rest_as_in_browsers():
    found = extract("html", b"<p>seen</p><a href='x>not seen</a>")
    assert found.text == "seen"
    assert lost_characters(found.held or {}, found.text) == 0
