"""Non-ASCII letters by language, and marks that all languages use: the evidence for guessing a file's encoding."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ALPHABETS", "COMMON", "FREQUENT"]

_BOTH = {
    "German": "äöüß",
    "French": "àâæçéèêëîïôœùûüÿ",
    "Spanish": "áéíñóúü",
    "Portuguese": "àáâãçéêíóôõú",
    "Italian": "àèéìíòóù",
    "Dutch": "áèéëïóöü",
    "Danish": "æøåé",
    "Swedish": "åäöé",
    "Icelandic": "áðéíóúýþæö",
    "Estonian": "äöõüšž",
    "Polish": "ąćęłńóśźż",
    "Czech": "áčďéěíňóřšťúůýž",
    "Slovak": "áäčďéíĺľňóôŕšťúýž",
    "Hungarian": "áéíóöőúüű",
    "Romanian": "ăâîșțşţ",
    "Croatian": "čćđšž",
    "Turkish": "âçğıöşü",
    "Lithuanian": "ąčęėįšųūž",
    "Latvian": "āčēģīķļņšūž",
    "Greek": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",
    "Russian": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    "Ukrainian": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "Serbian": "абвгдђежзијклљмнњопрстћуфхцчџш",
}
_ONE_CASE = {
    "Turkish": "İ",
    "Hebrew": "".join(map(chr, range(0x5D0, 0x5EB))),
    "Arabic": "".join(map(chr, (*range(0x621, 0x63B), *range(0x641, 0x64B)))) + "پچژگ",
    "Thai": "".join(map(chr, (*range(0xE01, 0xE3B), *range(0xE3F, 0xE5C)))),
    "gb18030": "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之"
    "年过发后作里用道行所然家种事成方多经么去"
    "法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与"
    "长把机十民第公此已工使情明性知全三又关点正业外将"
    "两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信"
    "表化老给世位次度门任常先海通教儿原东声提立及比员"
    "解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建"
    "务做接必场件计管期市直德资命山金指克许统区保至队"
    "，。、；：？！“”（）《》",
    "big5": "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之"
    "年過發後作裡用道行所然家種事成方多經麼去法學"
    "如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把"
    "機十民第公此已工使情明性知全三又關點正業外將兩高"
    "間由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化"
    "老給世位次度門任常先海通教兒原東聲提立及比員解水"
    "名真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電數安少報才結反受目太量再感建務做"
    "接必場件計管期市直德資命山金指克許統區保至隊"
    "，。、；：？！「」（）",
    "cp932": "".join(map(chr, range(0x3041, 0x30FF))) + "、。「」日一人年大国会本中出事者時社",
    "euc_jp": "".join(map(chr, range(0x3041, 0x30FF))) + "、。「」日一人年大国会本中出事者時社",
    "cp949": "이다는에의가을를하고한은로지도사기자어아대인시나리서그정해일수여있전부보구만들과면것장게"
    "스주라제상동조문소었니습년성공우생오실적세선안원화신으",
}

ALPHABETS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        name: frozenset(_BOTH.get(name, "") + _BOTH.get(name, "").upper() + _ONE_CASE.get(name, ""))
        for name in dict.fromkeys((*_BOTH, *_ONE_CASE))
    }
)
"""Letters beyond ASCII that texts of a language are made of; for an encoding of two bytes, its frequent characters."""

COMMON = frozenset("«»„“”‚‘’–—…§°€£•\u00a0·¿¡№×±²³µ½¼¾®©™´\u00ad")
"""Marks that occur in any language."""

FREQUENT = frozenset("оеаинтсрвлαοιετσνηυκיוהלאתרמבשاليمنوترة")
"""The most frequent letters of alphabets whose small and capital letters encodings tell apart differently."""
