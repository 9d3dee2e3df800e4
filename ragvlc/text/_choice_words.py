"""Words that announce, affirm or reject an option of multiple choice, in five languages: patterns for `text.choices`.

English, German, French, Spanish and Chinese. All repetitions are bounded, so that reading takes linear time. A pattern
that announces an option ends where the option begins.
"""

from __future__ import annotations

import re

__all__ = [
    "AFFIRMED",
    "ALSO",
    "ANNOUNCED",
    "BETWEEN",
    "CONCEDED",
    "CONCLUDED",
    "CORRECTED",
    "END",
    "FOLLOWING",
    "HEDGED",
    "NEGATED",
    "NEGATION",
    "PLURAL",
    "PREFIX",
    "REJECTED",
    "RULED_OUT",
]

_ANSWER = (
    "answer|choice|option|letter|response|solution|selection|verdict|pick|prediction|ans|antwort|lösung|auswahl|wahl|"
    "buchstabe|réponse|reponse|choix|lettre|respuesta|opción|opcion|elección|eleccion|alternativa|letra|solución|"
    "答案|选项|选择"
)
_KEYS = (
    rf"(?i:[\w \-]{{0,24}}?(?:{_ANSWER}|answers|antworten|réponses|respuestas))(?:[_ \-]\w{{1,16}}|[A-Z]\w{{0,16}})?"
)
_FORMAT = rf"""
    \\(?:boxed|fbox)\s*\{{ | \[\[\s* | 【\s*(?i:{_ANSWER}|正确答案)\s*】\s*[:：]? | \[(?i:{_ANSWER})\]
    | <(?i:(?:final|correct|best)?[_\-]?(?:{_ANSWER}))\b[^<>\n]{{0,40}}>
    | (?<!\w)["']{_KEYS}["']\s*[:：=]
    | ^\s{{0,3}}\#{{2,6}}(?:\s*(?i:(?:final\s+)?(?:{_ANSWER}))\s*:)? | [☑✅👉➡∴]
    | ^\s{{0,3}}(?:=>|->|[→⇒]) | \[[xX✓✔]\]
"""

_ADVERB = (
    r"[a-z]{2,12}ly|[a-zé]{3,14}mente?|sans\s+(?:conteste|doute|aucun\s+doute|hésiter)|ohne\s+zweifel"
    r"|zweifellos|sin\s+duda|"
    r"indeed|thus|therefore|hence|then|still|now|simply|just|also|wohl|eindeutig|klar|sicher|daher|"
    r"somit|folglich|demnach|deshalb|wahrscheinlich|vermutlich|nun|ganz|donc|ainsi|plutôt|bien|clairement|sûrement|"
    r"probablement|finalement|por\s+(?:lo\s+)?tanto|entonces|claramente|probablemente|seguramente|"
    r"without\s+a?\s*doubt|most\s+likely|to\s+be"
)
_ADVERBS = rf"(?:(?:{_ADVERB})\b[,:]?\s*){{0,3}}"
_LINK = r"""
    (?:\s*(?:[:：=→⇒]|=>|->|[-–—]>?)\s*|
    \s+(?:\b(?:
        is|was|are|be|were|being|'s|would\s+be|should\s+be|must\s+be|will\s+be|has\s+to\s+be|can\s+only\s+be
        |seems|appears|(?:could|might|may)(?:\s+\w{2,10})?\s+be|remains|to\s+be
        |ist|sind|wäre|lautet|heißt|scheint|war|dürfte|könnte|müsste|bleibt
        |falls\s+on|goes\s+to|corresponds?\s+to|fällt\s+auf|entspricht|se\s+porte\s+sur|recae\s+en|corresponde\s+a
        |est|sont|serait|semble|correspond\s+à|reste|pourrait\s+être|doit\s+être
        |es|son|sería|era|parece|sea|podría\s+ser|debe\s+ser|queda|tiene\s+que\s+ser
    )\b(?:\s+(?:to\s+be|être|ser|sein|que|c'est))?\s*[:,]?\s*){1,2})
"""
_NOUN = rf"""
    (?<!\w)(?i:(?:(?:the|my|most|final|finale|correct|right|best|single|true|likely|die|meine|richtige|korrekte
        |endgültige
        |la|ma|bonne|meilleure|seule|mi)\s+){{0,3}}
    (?:(?:{_ANSWER}|answers|antworten|réponses|respuestas|(?:correct|right|true|best|richtigen
        |bonnes)\s+(?:options|choices|letters|optionen)
        |opciones\s+correctas|guess|conclusion|möglichkeit|antwortmöglichkeit|antwortoption|ergebnis|fazit
        |proposition|inciso
        |conclusión)
        (?:\s+(?!(?-i:[A-Z]\b))[^\s.:;,?!=→\n]{{1,20}}){{0,8}}?
        |(?:correct|right|richtige?|korrekte?|bonne
        |correcta)(?:\s+(?!(?-i:[A-Z]\b))[^\s.:;,?!=→\n]{{1,20}}){{0,6}}?|zutreffend|(?:correct|right|best|true
        |only)\s+one|correcta|正确)
    {_LINK}{_ADVERBS})
    | 正确的?(?:选项|答案|说法)?(?:包括|是|有|为|应?选)\s*[:：]?\s*
    | (?:正确|最佳|最终|最后)?(?:答案|选项|选择|结论|答)
        (?:\s*(?:应该|应当|应|就|显然|只能|可能|最可能|大概|只|还|仍)*\s*(?:是|为|选)?\s*[:：,，]?\s*)
"""
_SAYING = r"""
    i(?:'d|'ll|'m|\s+(?:would|will|should|am|must|can\s+only|have\s+to))?\s+(?:have\s+to\s+|want\s+to\s+
        |rather\s+|therefore\s+)?
        (?:choose|chose|select|selected|pick|picked|go|going|went|say|opt|opting|vote|settle|lean|leaning|answer|guess
        |think|believe|suspect|conclude|bet|mark)(?:\s+(?:with|for|on|towards?|that)){0,2}
        (?:\s*,?\s*(?:it|this|that)(?:'s|\s+is|\s+must\s+be|\s+would\s+be|\s+should\s+be))?
    | (?:go(?:ing)?\s+with|choose|select|pick|opt\s+for|(?:must|has\s+to|should|can\s+only)\s+be)
    | (?:the\s+)?(?:only|best)\s+(?:one\s+)?(?:option\s+|choice\s+)?(?:that|which)\s+(?:fits|works|matches|applies
        |remains|holds|is\s+(?:correct|right|left|true))(?:\s+best)?\s+is
    | (?:it|that|this)(?:'s|\s+(?:is|was|must\s+be|has\s+to\s+be|would\s+be|should\s+be|will\s+be
        |can\s+only\s+be|would\s+have\s+to\s+be
        |seems\s+to\s+be|appears\s+to\s+be|(?:could|might|may)(?:\s+(?:also|well|either))?\s+be))
    | (?:favou?rs|supports|points\s+to|suggests|indicates|spricht\s+für|deutet\s+auf|appuie|favorise|apoya|indica)
    | my\s+(?:pick|vote|bet|money|guess|choice)\s+(?:is|goes|falls)(?:\s+(?:on|to|with|for))?
    | not\s+only|nicht\s+nur|non\s+seulement|no\s+s[oó]lo
    | in\s+my\s+(?:opinion|view)|mein(?:es|er)\s+(?:erachtens|meinung\s+nach|ansicht\s+nach)|à\s+mon\s+avis
        |selon\s+moi|en\s+mi\s+opinión|a\s+mi\s+juicio
    | (?:(?:we|i)(?:'re|'m|\s+(?:are|am)))?\s*left\s+with
    | i(?:'m|\s+am)\s+(?:torn|undecided|hesitating)|i\s+(?:hesitate|consider|favou?r|prefer)|j'hésite
        |je\s+(?:considère|préfère)|ich\s+(?:schwanke|halte|bevorzuge)|dudo|prefiero
    | considero(?:\s+(?:que|válidas?|correctas?)){0,2}
    | leav(?:es?|ing)(?:\s+(?:us|me|only|just|with)){0,3}
    | (?:definitely|probably|clearly|certainly|obviously|surely|likely|most\s+likely|yes|perhaps|maybe|possibly
        |correct|right)[,:]?
    | ich\s+(?:würde|werde)?\s*(?:denke|glaube|meine|wähle|nehme|sage|tippe|vermute|schätze|entscheide\s+mich
        |bin|plädiere|votiere|setze)?
        (?:\s+(?:sagen|mal|also|daher))?,?(?:\s*(?:auf|für|dass)\b)?(?:\s*(?:es|das|die\s+antwort)(?:\s+ist)?\b)?
    | (?:meine\s+)?(?:wahl|entscheidung)\s+fällt\s+(?:auf|für)
    | (?:am\s+(?:ehesten|besten|plausibelsten)\s+)?(?:passt|passen|stimmt|zutreffend\s+ist|richtig\s+ist
        |trifft)(?:\s+(?:am\s+(?:ehesten|besten)|wohl|hier|nur)){0,2}
    | es\s+handelt\s+sich\s+um
    | (?:es|das)\s+(?:ist|wäre|muss|dürfte|kann\s+nur|könnte)
    | bleibt(?:\s+(?:nur|noch|also|somit|als|einzig|mir|uns)){0,3}
    | (?:je|j')\s*(?:pense|crois|dirais|dis|choisis|choisirais|prends|prendrais|opte|opterais|sélectionne|vote
        |retiens|penche|ai\s+choisi)
        (?:\s+(?:que|pour|vers|plutôt)){0,2}(?:\s*,?\s*(?:c'est|ce\s+serait|il\s+s'agit\s+de))?
    | (?:c'est|ce\s+serait|ce\s+doit\s+être|ce\s+pourrait\s+être|il\s+s'agit\s+(?:de|du))
    | reste(?:\s+(?:que|donc|plus|qu')){0,3}
    | (?:creo|pienso|diría|opino|supongo)(?:\s+que)?(?:\s+(?:es|sería))?
    | (?:elijo|elegiría|escojo|escogería|selecciono|seleccionaría|opto\s+por|optaría\s+por|voto\s+por
        |me\s+quedo\s+con|me\s+inclino\s+por|marcaría)
    | (?:es|sería|podrían?\s+ser|deben?\s+ser|tienen?\s+que\s+ser|se\s+trata\s+de)
    | quedan?(?:\s+(?:solo|sólo|únicamente|solamente)){0,2}
"""
_SAYING_CJK = r"""
    不(?:仅仅?|只)是?\s* | (?:我|应该?|只能|必须|就|故|本题|可能|也许|或许|最终|最后){0,3}(?:会|认为|觉得|猜|想
        |倾向于?)?(?:应该?|就|可能|也许|或许)?(?:选择?|是|为)(?:的?是)?\s*
    | 只?剩下?(?:的)?(?:只有|就是|是)?\s*
"""
_TURNING = r"""
    (?:so|therefore|thus|hence|consequently|accordingly|in\s+conclusion|overall|finally|in\s+short|but|rather
        |instead|actually
    |wait|correction|scratch\s+that|sorry|hmm+|no(?=[,:]) |also|daher|somit|folglich|deshalb|demnach|deswegen
        |mithin|sondern|aber|vielmehr|fazit
    |donc|ainsi|par\s+conséquent|mais|plutôt|en\s+conclusion|finalement
    |por\s+(?:lo\s+)?tanto|así\s+que|entonces|sino|pero|en\s+conclusión|en\s+definitiva)
    \b\s*[,:]?
"""
_TURNING_CJK = r"(?:所以|因此|故|综上所述|综上|总之|而是|但是?|于是|那么)\s*[，,:：]?\s*"
ANNOUNCED = re.compile(
    rf"""(?P<format>{_FORMAT})\s*
    | (?P<noun>{_NOUN})
    | (?<!\w)(?i:(?P<turn>{_TURNING})(?:\s*(?:it's|it\s+is|c'est|es|ist\s+es))?)\s*{_ADVERBS}
    | (?<!\w)(?i:(?P<saying>{_SAYING}))(?!\w)[:,]?\s*{_ADVERBS}
    | (?P<turn_cjk>{_TURNING_CJK})(?:{_SAYING_CJK})?
    | (?P<saying_cjk>{_SAYING_CJK})""",
    re.VERBOSE | re.MULTILINE,
)
"""What comes before an option that is the answer; a `turn` begins a clause of its own."""

PREFIX = re.compile(
    r"""(?:(?i:the|an?\s+(?=option)|options?|choices?|letters?|answers?|number|only|just|both|either|between
        |maybe|perhaps|possibly|vielleicht|peut-être|quizás?
        |definitely
    |die|der|das|dem|den|antwort(?:en)?|buchstaben?|möglichkeit(?:en)?|sowohl|beide|entweder|als|zwischen
    |la|le|les|el|las|los|lettres?|réponses?|propositions?|deux|soit|entre|à\s+la\s+fois
    |opción|opciones|letras?|respuestas?|alternativas?|tanto|ambas|o)\b\s*[:"']?\s*
    |(?i:l'(?:option|alternative)?)\s* | (?:选项|答案|选择|第)\s*){0,4}""",
    re.VERBOSE,
)
BETWEEN = re.compile(
    r""",?\s+(?i:but\s+also|sondern\s+auch|mais\s+aussi|sino\s+también)\s+ | [，,]?\s*(?:而且|还|也)(?:是|有)?\s*
    | \.\s+(?=[A-Z]\.\s) | ["']?\s*[,/&、，+]\s*(?:(?i:and|or|und|oder|et|ou|y|o|e|als\s+auch|and\s+also)\s+)?
    | \s+(?i:and|or|und|oder|et|ou|y|o|e|as\s+well\s+as|als\s+auch|como|plus|que)\s+(?i:also\s+|auch\s+
        |aussi\s+|también\s+)?
    | \s*(?:和|与|及|或|以及|或者|还有|跟)\s*""",
    re.VERBOSE,
)
END = re.compile(
    r"""\s*\Z | [ \t]*\n | [.,:;!?)\]}"'»›]+(?=\s|\Z|[\u3000-\u9fff]) | [。，：；！？、）【】」』》〉]
        | \s+[-–—]\s | [ \u00a0][:;!?](?=\s|\Z) | \s*[<\[}|"»] | \s*\\
    | (?=\s*(?:[两三四]?(?:项|者)|选项|是|正确|因|而|不|吧|才|更|都|也|为|最|对|错|和|与|或|及|的|呢|了|无))
        | \s+\(""",
    re.VERBOSE,
)
"""What may follow an option that is complete."""

FOLLOWING = re.compile(
    r"""\s+(?i:because|since|as|and|or|but|not|rather|due|given|which|the|this|that|is|are|in\s+(?:this|the)
        |here|instead|is|it
    |i\s+(?:think|guess|believe|would|suppose|choose|pick)|based|according|after|considering|seems|when|where
        |over|wins
    |weil|da|denn|und|oder|nicht|aber|laut|gemäß|ist|sind|sein|wählen|nehmen|sagen|tippen|gewesen|stimmt|trifft
        |passt|richtig|korrekt
    |car|parce|puisque|et|ou|mais|selon|est|sont|d'après|comme
    |porque|ya|pues|y|o|pero|según|es|son|dado|puesto)\b""",
    re.VERBOSE,
)
"""Words that may follow a letter that is an option, but no article."""

_MANNER = (
    r"(?:(?:[a-z]{2,12}ly|the|a|an|both|all|also|most|therefore|thus|die|der|das|am|auch|beide|hier|also"
    r"|eindeutig|la|le|les"
    r"|el|las|los|donc|aussi|toute?s|tous|deux|bien|también|ambas|claramente|única|seule|einzige|only|just|more"
    r"|single|very|jeweils|einzig)\s+){0,4}"
)
AFFIRMED = re.compile(
    rf"""\s*(?i:
    (?:['’]s|is|are|was|were|would\s+be|must\s+be|should\s+be|has\s+to\s+be|(?:seems|appears|looks|proves
        |is\s+likely)(?:\s+(?:to\s+be|like))?|remains)\s+{_MANNER}
        (?:correct|right|accurate|true|valid|best|closest|likely|plausible|appropriate|supported|strongest
        |safest|confirmed|consistent|justified|preferable|answer|option|choice|one|
        it\b|left\b|remaining)
    | (?:(?:best|most\s+closely|most\s+accurately|clearly|closely|perfectly)\s+)?(?:fits?|match\w*|describe\w*
        |capture\w*|reflect\w*
        |summari[sz]e\w*|answers?|explains?|correspond\w*|represents?|states?)(?=\s+(?:the|this|what|why|how|it
        |best|to|well|that)\b|[.,]) | makes\s+(?:the\s+)?(?:most\s+)?sense
    | fits | wins | holds | is\s+(?:what|how|where|why)\b | it\s+is\b | remains\b
    | (?:is|are|would\s+be|must\s+be|seems|ist|wäre|est|serait|es|sería)\s+(?:the|my|die|das|der|meine?|la|le
        |ma|mon|mi|una?|l')\s*(?:\w{{2,16}}\s+){{0,2}}
        (?:answer|option|choice|pick|selection|candidate|reason|cause|explanation|solution|fit|match|response
        |verdict|winner
        |antwort|wahl|option|lösung|grund|ursache|möglichkeit|réponse|choix|proposition|raison|cause|explication
        |respuesta|opción|elección|razón|causa|explicación|acertada|correcta)\b
    | (?:ist|sind|wäre|wären|scheint|bleibt)\s+{_MANNER}
        (?:richtig|korrekt|zutreffend|wahr|wahrscheinlich|plausib|best|einzig|richtige|antwort|lösung|übrig
        |passend|treffend|gesucht|gemeint)\w*
    | die\s+(?:\w{{2,16}}\s+){{0,2}}(?:antwort|wahl|option|lösung|möglichkeit)\b
    | (?:stimmt|stimmen|zutrifft|zutreffen|passen|gilt)(?!\s+nicht)\b | (?:trifft|treffen)\s+zu
        | passt(?!\s+nicht)\b | (?:richtig|korrekt)\b
    | (?:est|sont|serait|semble|semblent|paraît|paraissent|reste|me\s+semblent?|me\s+paraît)\s+{_MANNER}
        (?:correct|just|exact|vrai|bonne|meilleure|plus|plausible|seule|réponse|probable|pertinent|adéquat
        |valide|confirmé)\w* | (?:convient|conviennent|s'impose|correspond(?:ent)?\s+(?:au|à|le))\b
    | (?:es|son|sería|parece|serían)\s+{_MANNER}
        (?:correct|verdader|ciert|acertad|adecuad|respuesta|mejor|más|únic|probable|válid|indicad)\w*
        | (?:encajan?|se\s+ajustan?|coinciden?|corresponden?)\b
    | \s*(?:->|=>|[→⇒])\s*(?:yes|true|correct|right|ja|richtig|oui|vrai|sí|verdadero)\b
    | [:=\-–—(]\s*(?:this\s+is\s+|das\s+ist\s+|c'est\s+|es\s+)?(?:correct|right|true|richtig|korrekt|correcte?
        |juste|exacte?|vraie?|correcta|cierta|verdadera|正确|对)(?!\w)
    | [:\-–—(]?\s*[✓✔✅☑]
    | (?:项|选项)?\s*(?:的说法|的描述|看起来|似乎)?\s*(?:都|均|皆|也)*(?:是|才是|为)?(?:最|更|比较)*为?(?:正确
        |对(?!应)|符合|合适|恰当|可能|合理|准确|答案|贴切|合题|成立|当选) | (?:项|选项)?(?:与|和)(?:原文|文意
        |文章|题意)(?:相符|一致|符合) | 为(?:正确)?(?:答案|正解)
    )""",
    re.VERBOSE,
)
"""What comes after an option that is the answer."""

_WRONG = (
    "incorrect|wrong|false|ruled|excluded|eliminated|contradicted|unlikely|irrelevant|out\\b|unsupported|inaccurate|"
    "falsch|unzutreffend|ausgeschlossen|widerlegt|auszuschließen|incorrecte|fausse|faux|erronée|exclue?"
    "|éliminée?|à\\s+exclure|"
    "incorrecta|falsa|errónea|descartada"
)
REJECTED = re.compile(
    rf"""\s*(?i:
    (?:is|are|was|were|would|can|could|do|does|did|seems?|ist|sind|kann|können|scheint|es|son|est|sont)\s*
        (?:n't|not|never|nicht|kein\w*|neither)\b
    | (?:isn't|aren't|can't|cannot|doesn't|don't|wasn't|couldn't|won't)
    | (?:is|are|was|were|can\s+be|ist|sind|wird|werden|est|sont|es|son)\s+{_MANNER}(?:{_WRONG})
    | (?:stimmt|passt|trifft|stimmen)\s+nicht | scheide[nt]\s+aus | (?:lässt|lassen)\s+sich\s+(?:ausschließen
        |verwerfen|widerlegen|streichen) | widersprechen | widerspricht | contradict | (?:se\s+)?(?:descartan?
        |excluyen?|contradicen?)\b | (?:peut|peuvent)\s+être\s+(?:exclu|écart|élimin)
    | (?:fällt|fallen)\s+weg
    | (?:n'est|ne\s+sont|ne\s+correspond\w*|ne\s+peut\w*)\b | no\s+(?:es|son|puede|corresponde|coincide)\b
        | (?:queda|quedan)\s+descartad
    | (?:->|=>|[→⇒])\s*(?:no|false|wrong|incorrect|nein|falsch|non|faux)\b
    | [:=\-–—(]\s*(?:{_WRONG}|✗|✘|❌|错) | [:=]\s*(?:not|nicht|no|pas|不)(?![a-z]) | \s*[✗✘❌]
    | [一二两三四]?(?:项|选项|者|个)?\s*(?:的说法|的描述)?\s*(?:都|均|也|则|显然)*(?:是)?(?:无(?!疑)|没有|未
        |不(?:正确|对|符|成立|合适|准确|能|可能|可|是|行|适合|选|合)|错|有误|可排除|排除|被排除|与.{{0,12}}不符|无关)
    )""",
    re.VERBOSE,
)
"""What comes after an option that is not the answer."""

PLURAL = re.compile(
    r"\s*(?i:are|were|can|cannot|sind|scheiden|lassen|widersprechen|peuvent|se|fallen|werden|sont|ne\s+sont|son"
    r"|no\s+son|quedan)\b|\s*(?:[两三四](?:项|者|个|选项))?\s*(?:都|均|皆|可)"
)
"""The start of a rejection that concerns the whole list before it."""

RULED_OUT = re.compile(
    r"""(?<!\w)(?i:(?:not|nicht|rather\s+than|instead\s+of|except|unlike|neither|statt|anstatt|anstelle\s+von
        |weder|außer|pas|plutôt\s+que|au\s+lieu\s+de
    |no\s+es|ni|en\s+lugar\s+de|en\s+vez\s+de|excepto|(?:rul|eliminat|exclud|discard|reject|dismiss|éliminer
        |exclure|écarter|élimine|descart)\w*(?:\s+out)?
    |kein\w*\s+von|none\s+of|aucune\s+de|ninguna\s+de)(?!\w)\s*:?\s*)
    | (?:排除|而不是|不是|不选|并非|除了|不能选|不应选)\s*""",
    re.VERBOSE,
)
"""What comes before an option that is not the answer."""

_NEG = (
    r"(?:n't|(?<!\w)(?:not(?!\s+only)|never|nor|neither|none|cannot|nicht(?!\s+nur)|kein\w*(?!\s+zweifel)|weder"
    r"|pas(?!\s+seulement)|aucun\w*"
    r"|ni|jamais|nunca|tampoco|no(?!\s+(?:doubt|question|solo|sólo|hay\s+duda|cabe\s+duda))|ningun\w*"
    r"|without(?!\s+(?:a\s+)?doubt)|(?:i|we|would)\s+(?:highly\s+|really\s+|strongly\s+)?doubt"
    r"|sans(?!\s+(?:conteste|doute|aucun|hésit))|sin(?!\s+duda)"
    r"|ohne(?!\s+zweifel))(?!\w))"
)
NEGATION = re.compile(f"(?i:{_NEG})")
NEGATED = re.compile(
    rf"(?i:{_NEG})(?:\s+(?!but\b|sondern\b|mais\b|sino\b|pero\b|aber\b)[^\s.,:;!?()]+){{0,3}}\s*\Z|(?:不|没有?"
    rf"|未|别|并非|无法|不能)[^，。；：！？,.;:!?\s]{{0,4}}\Z"
)
"""The end of a clause that denies what it announces: to be searched in what comes before."""

HEDGED = re.compile(
    r"(?i:\b(?:could|might|may|perhaps|possibly|maybe|könnte|vielleicht|möglicherweise|pourrait|peut-être"
    r"|podrían?|torn|undecided|hesitat\w+|hésite|schwanke|dudo|quizás?|tal\s+vez)\b)"
    r"|(?<!最)可能|也许|或许"
)
CONCEDED = re.compile(
    r"(?i:\b(?:while|although|though|even\s+if|obwohl|zwar|wenn\s+auch|bien\s+que|même\s+si|aunque"
    r"|si\s+bien)\b)|虽然|尽管"
)
"""What opens a clause whose verdict does not count against a firm one."""

CORRECTED = re.compile(
    r"(?i:\b(?:wait|actually|correction|sorry|reconsider\w*|on\s+reflection|on\s+second\s+thought|rather|oops"
    r"|hmm+|no(?=,)|moment|doch|"
    r"korrektur|genauer|attendez|en\s+fait|finalement|en\s+realidad|mejor\s+dicho|perdón|but|however|aber|mais"
    r"|pero|therefore|thus|hence"
    r"|so|final\w*|daher|somit|donc|por\s+(?:lo\s+)?tanto)\b)|等等|不对|更正|实际上|但是?|所以|因此|最终|综上"
)
"""What lies between an answer and another one that replaces it."""

CONCLUDED = re.compile(
    r"(?i:\b(?:so|therefore|thus|hence|consequently|in\s+conclusion|overall|also|daher|somit|folglich|deshalb"
    r"|demnach|donc|ainsi"
    r"|par\s+conséquent|en\s+conclusion|por\s+(?:lo\s+)?tanto|así\s+que|entonces|en\s+conclusión)\b)|所以|因此"
    r"|综上|总之"
)
ALSO = re.compile(
    r"(?i:[\s\W]*(?:(?:and|also|too|as|well|additionally|both|und|auch|ebenso|et|aussi|y|también|answer|option"
    r"|antwort|réponse|respuesta|项|也|和)"
    r"[\s\W]*){0,4})"
)
"""All that lies between two answers that count together."""
