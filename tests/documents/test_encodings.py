"""Bytes as characters: by evidence, with the guess, its rivals and a sample told."""

from __future__ import annotations

import pytest

from ragvlc.documents.encodings import NotText, decoded

GERMAN = "Die Mühle am unteren Wehr wurde 1702 gebaut. Für größere Mengen öffnete der Müller den Teich. Straße."
TEXTS = {
    "German": (GERMAN, "cp1252 iso-8859-1 iso-8859-15 mac-roman cp850 cp437"),
    "a line of German": ("Öffnungszeiten: Müller, Straße 5", "cp1252 mac-roman"),
    "one name in English": ("The mill of Mr. Müller was built in 1702 and rebuilt after the flood. " * 20, "cp1252"),
    "quotes": ("It\u2019s the miller\u2019s \u201cown\u201d mill \u2013 built in 1702. " * 5, "cp1252 mac-roman"),
    "prices": ("The price is £5 or €6, 20 °C, § 3, © 2020.", "cp1252"),
    "French": ("Le moulin a été bâti près de la rivière; l'été naïf, cœur. Ça coûte 5 €.", "cp1252 mac-roman"),
    "Spanish": ("El niño comió mañana; ¿qué día? ¡Sí! La canción del corazón.", "cp1252 mac-roman"),
    "Danish": ("Møllen på åen blev bygget for længe siden. Sø og ærø, blå.", "cp1252"),
    "Polish": ("Młyn stał nad rzeką. Zażółć gęślą jaźń, Łódź, będzie można.", "cp1250 iso-8859-2 cp852"),
    "Czech": ("Příliš žluťoučký kůň úpěl ďábelské ódy. Mlýn stojí u řeky.", "cp1250 iso-8859-2 cp852"),
    "Hungarian": ("Árvíztűrő tükörfúrógép. A malom a folyó mellett áll, és őröl.", "cp1250 iso-8859-2"),
    "Turkish": ("Değirmen ırmağın kıyısında. Işık, güneş, çocuk, İstanbul'da şöyle.", "cp1254"),
    "Lithuanian": ("Malūnas prie upės. Ąžuolas, žąsis, ūkis, šešėlis, čia, įeiti.", "cp1257"),
    "Russian": ("Мельница стоит у реки, и каждое утро мельник открывает ворота.", "cp1251 koi8-r iso-8859-5 cp866"),
    "Russian names": ("Report for Q3: Мельница закрыта. Contact: Ivan. " * 3, "cp1251 koi8-r"),
    "Greek": ("Ο μύλος βρίσκεται δίπλα στο ποτάμι και κάθε πρωί ανοίγει.", "cp1253 iso-8859-7"),
    "Hebrew": ("הטחנה עומדת ליד הנהר ובכל בוקר הטוחן פותח את השער.", "cp1255"),
    "Arabic": ("تقف الطاحونة بجانب النهر وكل صباح يفتح الطحان البوابة.", "cp1256"),
    "Thai": ("โรงสีตั้งอยู่ริมแม่น้ำและทุกเช้าคนสีข้าวเปิดประตู", "cp874"),
    "Chinese": ("磨坊在河边，每天早上磨坊主打开大门。这个地方有一百年的历史了，人们都知道它。", "gb18030"),
    "Chinese of Taiwan": ("磨坊在河邊，每天早上磨坊主打開大門。這個地方有一百年的歷史了，人們都知道它。", "big5"),
    "Japanese": ("水車小屋は川のそばにあり、毎朝粉屋が門を開けます。百年の歴史があります。", "cp932 euc_jp"),
    "Korean": ("방앗간은 강가에 있고 매일 아침 방앗간 주인이 문을 엽니다. 백 년의 역사가 있습니다.", "cp949"),
}
CASES = [(language, text, name) for language, (text, names) in TEXTS.items() for name in names.split()]


@pytest.mark.parametrize(("language", "text", "name"), CASES, ids=[f"{one}, {name}" for one, _, name in CASES])
def test_the_evidence_finds_the_encoding(language, text, name):
    read, encoding = decoded(text.encode(name))
    assert read == text
    assert encoding.guessed


@pytest.mark.parametrize("text", [GERMAN, "Ein Satz mit Größe.", "Grüße, Ä", "ß" * 3 + " Maß", "naïve café"])
def test_few_bytes_beyond_ascii_are_never_asian(text):
    read, encoding = decoded(text.encode("latin-1"))
    assert (read, encoding.name) == (text, "cp1252")
    assert not any("\u2e80" < letter < "\ud800" for _, sample in encoding.alternatives for letter in sample)


def test_the_guess_its_rivals_and_a_sample_are_told():
    _, encoding = decoded(GERMAN.encode("latin-1"))
    assert encoding.sample == "'Mühle', 'Für', 'größere', 'öffnete'"
    assert len(encoding.alternatives) == 2
    said = encoding.sentence()
    assert said.startswith("not UTF-8, read as cp1252: 'Mühle', 'Für'")
    for name, sample in encoding.alternatives:
        assert f"{name}: {sample}" in said
        assert sample != encoding.sample


def test_a_long_text_is_judged_where_it_is_not_ascii():
    text = "Plain words only here.\n" * 20_000 + "Die Mühle, größer.\n" + "And on.\n" * 20_000
    assert decoded(text.encode("cp1252"))[0] == text
    assert decoded(text.encode("mac-roman"))[0] == text


@pytest.mark.parametrize("cut", [1, 2])
def test_utf8_that_was_cut_inside_a_character_stays_utf8(cut):
    text = f"{GERMAN} Und noch ein €"
    read, encoding = decoded(text.encode()[:-cut])
    assert (read[:-1], read[-1], encoding.name) == (text[:-1], "\ufffd", "utf-8")
    assert encoding.broken == 1


def test_utf8_with_one_stray_byte_stays_utf8():
    data = GERMAN.encode() * 10 + b" caf\xe9 " + GERMAN.encode() * 10
    read, encoding = decoded(data)
    assert read.count("Mühle") == 20
    assert (encoding.name, encoding.broken, read.count("\ufffd")) == ("utf-8", 1, 1)


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark(name):
    assert decoded(GERMAN.encode(name))[0] == GERMAN


def test_what_a_page_declares_is_taken_where_it_fits():
    assert decoded("Łódź".encode("iso-8859-2"), declared="iso-8859-2")[0] == "Łódź"
    assert decoded("Größe".encode(), declared="iso-8859-1")[0] == "Größe"  # pages often state what they are not
    assert decoded("“Größe”".encode("cp1252"), declared="iso-8859-1")[0] == "“Größe”"  # as browsers read Latin 1
    assert decoded(GERMAN.encode("cp1252"), declared="utf-8")[0] == GERMAN
    assert decoded(GERMAN.encode("cp1252"), declared="nonsense")[0] == GERMAN


def test_what_is_no_text_is_refused():
    with pytest.raises(NotText, match="not UTF-8 from byte 1 on"):
        decoded(b"a\xff\x00\x01\x00")
    with pytest.raises(NotText, match="'latin-99' is no known encoding"):
        decoded(b"x", "latin-99")
    with pytest.raises(NotText, match=r"not ascii text \(byte 1\)"):
        decoded(b"x\xff", "ascii")
