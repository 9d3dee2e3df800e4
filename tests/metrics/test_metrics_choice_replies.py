"""Which option a reply names: replies written for it in five languages, their siblings, and time on long ones."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest

from ragvlc.text.choices import parse_choice

TESTS = Path(__file__).parents[1]
CAUSES = ("Fog on the river", "The captain was ill", "The engine had failed", "Too few passengers")
METALS = ("iron", "copper", "tin", "lead", "zinc", "silver", "gold", "nickel", "cobalt", "mercury")


def benchmark():
    spec = importlib.util.spec_from_file_location("benchmark_choices", TESTS / "benchmarks" / "choices.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BENCHMARK = benchmark()
REPLIES = BENCHMARK.replies()


def letters(reply, choices=CAUSES):
    return "".join(chr(65 + place) for place in sorted(parse_choice(reply, choices)))


@pytest.mark.parametrize("one", [one for one in REPLIES if not one.held_back], ids=lambda one: one.text[:40])
def test_written_replies(one):
    assert letters(one.text, one.choices) == one.right


def test_replies_held_back_are_never_read_as_another_option():
    found = BENCHMARK.outcomes(BENCHMARK.ours, [one for one in REPLIES if one.held_back])
    assert found["right"] >= 48
    assert not found["one wrong"] + found["several wrong"] + found["none wrong"]


def test_the_page_shows_the_table_of_the_benchmark():
    page = (TESTS.parent / "docs" / "choices.md").read_text(encoding="utf-8")
    assert BENCHMARK.table(REPLIES) in page


SIBLINGS = [
    ("=> C", "C"),
    ("∴ C", "C"),
    ("Must be B", "B"),
    ("The only one that fits is B.", "B"),
    ("The best option that works is (B).", "B"),
    ("B makes the most sense", "B"),
    ("A -> no; B -> yes", "B"),
    ("A → nein\nB → ja", "B"),
    ("I doubt it's A", ""),
    ("I really doubt that it's A. It's C.", "C"),
    ("I have no doubt it's A.", "A"),
    ("There is no doubt that it's A.", "A"),
    ("A? No, B.", "B"),
    ("AB都正确", "AB"),
    ("【答案】B【解析】略", "B"),
    ("The answer is A or maybe B", "AB"),
    ("The answer is D: too few people came.", "D"),
    ("A和B都不对，C正确", "C"),
    ("La réponse n'est pas B mais C.", "C"),
    ('{"answer": null}', ""),
    ('{"A": 0.1, "B": 0.7}', ""),
    ("The answer is B, as the captain was ill.", "B"),
    ("Option (B)", "B"),
    ("B) The captain was ill", "B"),
    ("**(C)**", "C"),
    ("The correct choice would be **D**.", "D"),
    ("I'm going with D", "D"),
    ("I'd say C", "C"),
    ("Answer - C", "C"),
    ("Ans: C", "C"),
    ("ANSWER: C", "C"),
    ("answer: c", "C"),
    ("The answer is c.", "C"),
    ("FINAL ANSWER: C", "C"),
    ("The final answer is: $\\boxed{\\text{(C)}}$", "C"),
    ("\\boxed{\\mathbf{C}}", "C"),
    ("$$\\boxed{C}$$", "C"),
    ("\\[\\boxed{C}\\]", "C"),
    ("\\boxed{C. The engine had failed}", "C"),
    ("\\boxed{The engine had failed}", "C"),
    ("<final_answer>C</final_answer>", "C"),
    ("<answer>\nC\n</answer>", "C"),
    ("<answer>(C) The engine had failed</answer>", "C"),
    ("[[C]]", "C"),
    ("[ANSWER]C[/ANSWER]", "C"),
    ('{"answer": "(C)"}', "C"),
    ('{"answer": "C. The engine had failed"}', "C"),
    ("{'answer': 'C'}", "C"),
    ('{"choice":"C","confidence":0.9}', "C"),
    ('{"final_answer": ["A","C"]}', "AC"),
    ('{"answer": "The engine had failed"}', "C"),
    ('{"correct_option": "c"}', "C"),
    ('{"options": {"A": "x", "B": "y"}, "answer": "B"}', "B"),
    ('{"answer_letter":"D"}', "D"),
    ('answer: "C"', "C"),
    ("#### (C)", "C"),
    ("### Answer: C", "C"),
    ("## C", "C"),
    ("### Final Answer\nC", "C"),
    ("**Answer**\n\nC", "C"),
    ("Answer is option C", "C"),
    ("The answer should be C", "C"),
    ("It must be C", "C"),
    ("It has to be C.", "C"),
    ("Definitely C.", "C"),
    ("Probably C", "C"),
    ("C, I think", "C"),
    ("C I think", "C"),
    ("C it is.", "C"),
    ("Correct answer: C", "C"),
    ("The correct option is: C) The engine had failed", "C"),
    ("The answer is both A and C.", "AC"),
    ("A & C", "AC"),
    ("A + C", "AC"),
    ("A,C", "AC"),
    ("A/C", "AC"),
    ("(A)(C)", "AC"),
    ("A and C are both correct.", "AC"),
    ("Options A and C", "AC"),
    ("The correct answers are A and C", "AC"),
    ("not B but C", "C"),
    ("It isn't B, it's C", "C"),
    ("The answer isn't B. It's C.", "C"),
    ("B is wrong; C is right", "C"),
    ("I would not choose B.", ""),
    ("B is not correct.", ""),
    ("Not B.", ""),
    ("It is neither A nor B.", ""),
    ("I would rule out A and B, so it's between C and D.", "CD"),
    ("Is it B? No. The answer is C.", "C"),
    ("Is B correct?", ""),
    ("First I considered A, then B. In the end I pick C.", "C"),
    ("Hmm, B... no wait, C.", "C"),
    ("I don't think it is B. I think it is C.", "C"),
    ("None of the above.", ""),
    ("I can't choose between A and B.", ""),
    ("There is no doubt that the answer is B.", "B"),
    ("A captain's illness is not mentioned.", ""),
    ("A fog came.", ""),
    ("I think I know", ""),
    ("Sorry, I cannot help with that.", ""),
    ("As an AI, I have no access to the document.", ""),
    ("The engine had failed (C)", "C"),
    ("The answer is C (The engine had failed).", "C"),
    ("The answer is “C”.", "C"),
    ("The answer is 'C'", "C"),
    ("The answer is:\n\nC", "C"),
    ("The answer is:\n\n**C. The engine had failed**", "C"),
    ("Answer：Ｃ", "C"),
    ("Ⓒ", "C"),
    ("[x] C", "C"),
    ("- [ ] A\n- [ ] B\n- [x] C\n- [ ] D", "C"),
    ("A ❌\nB ❌\nC ✅\nD ❌", "C"),
    ("✅ C", "C"),
    ("~~B~~ C", "C"),
    ("__C__", "C"),
    ("<b>C</b>", "C"),
    ("Not only A but also C", "AC"),
    ("The answer is A. The answer is C.", "AC"),
    ("The answer is A.\nSome reasons here are given.\nThe answer is C.", "C"),
    ("Answer: A\nExplanation: fog.\n\nQuestion: next one\nAnswer: D", "A"),
    ("C.\n\nThe engine had failed, as the mechanic's report shows. A is wrong because the fog came later.", "C"),
    ("C: The engine had failed", "C"),
    ("C\n", "C"),
    ("The best answer is C because the other options are not supported", "C"),
    ("The answer is not A, B, or D; it is C", "C"),
    ("A and B can be eliminated. D is not mentioned. C is the only option left.", "C"),
    ("the right one is C", "C"),
    ("Choice C", "C"),
    ("Letter C", "C"),
    ("C.)", "C"),
    ("(C", "C"),
    ("Antwort C", "C"),
    ("Die Antwort ist die Option C.", "C"),
    ("Ich würde sagen, C.", "C"),
    ("Ich glaube, dass C richtig ist.", "C"),
    ("C ist die richtige Antwort", "C"),
    ("Es ist C", "C"),
    ("Das ist C.", "C"),
    ("Die Lösung lautet: C", "C"),
    ("weder A noch B", ""),
    ("Ich bin mir nicht sicher, aber ich denke C.", "C"),
    ("Nicht nur A, sondern auch C", "AC"),
    ("Es könnte B oder C sein.", "BC"),
    ("Meines Erachtens C", "C"),
    ("Die Antwort ist nicht B.", ""),
    ("B und C sind beide richtig", "BC"),
    ("La réponse est C)", "C"),
    ("La réponse est donc (C).", "C"),
    ("C est la bonne réponse.", "C"),
    ("Je dirais C", "C"),
    ("Il s'agit de C", "C"),
    ("L'option C est correcte", "C"),
    ("Ni A ni B", ""),
    ("C'est C", "C"),
    ("C’est C.", "C"),
    ("Réponse C", "C"),
    ("La bonne réponse est l'option C : le moteur", "C"),
    ("A ou C", "AC"),
    ("À la fois A et C", "AC"),
    ("B n'est pas correcte", ""),
    ("La opción correcta es la C", "C"),
    ("Es C", "C"),
    ("La C", "C"),
    ("C es la respuesta correcta", "C"),
    ("Yo diría que es la C", "C"),
    ("Ni A ni B", ""),
    ("A o C", "AC"),
    ("La respuesta no es B", ""),
    ("La respuesta correcta sería la opción C.", "C"),
    ("Respuesta final: C", "C"),
    ("Ambas A y C", "AC"),
    ("Por tanto, C", "C"),
    ("答案是 C", "C"),
    ("选择C", "C"),
    ("选C", "C"),
    ("应该选择C选项。", "C"),
    ("C。因为发动机坏了", "C"),
    ("C正确", "C"),
    ("正确答案为：C", "C"),
    ("我的答案是C", "C"),
    ("所以选C", "C"),
    ("本题选C", "C"),
    ("AC", "AC"),
    ("A、C", "AC"),
    ("A或C", "AC"),
    ("不选B", ""),
    ("B不正确", ""),
    ("答案不是B", ""),
    ("选项C是正确的", "C"),
    ("最可能的答案是C", "C"),
    ("可能是B，也可能是C", "BC"),
    ("【C】", "C"),
    ("（C）", "C"),
    ("既不是A也不是B", ""),
    ("答案是Ｃ", "C"),
    ("答案是《C》", "C"),
    ("答案是「C」", "C"),
]


@pytest.mark.parametrize(("reply", "right"), SIBLINGS)
def test_siblings(reply, right):
    assert letters(reply) == right


OTHERS = [
    (
        (
            "To answer this, I will look at each option.\n\nA) Fog on the river: The log says the "
            "night was clear. This is not supported.\n\nB) The captain was ill: He wrote letters that "
            "week, so this is unlikely.\n\nC) The engine had failed: The mechanic's report mentions a "
            "cracked piston. This is supported.\n\nD) Too few passengers: The boat was fully "
            "booked.\n\nBased on the above, the answer is C) The engine had failed."
        ),
        CAUSES,
        "C",
    ),
    (
        "A) Fog on the river\nB) The captain was ill\nC) The engine had failed\nD) Too few passengers\n\nAnswer: C",
        CAUSES,
        "C",
    ),
    ("Options:\nA. Fog on the river\nB. The captain was ill\n\nI would pick B since the diary says so.", CAUSES, "B"),
    (
        (
            "The passage discusses the reasons for cancellation. Option A is mentioned but "
            "dismissed. Option B is never mentioned. Option D contradicts the text. Therefore the "
            "best option is C."
        ),
        CAUSES,
        "C",
    ),
    ("Option A is incorrect because the fog came later. Option B is incorrect. Option D is incorrect.", CAUSES, ""),
    ("Considering option A and option B, both seem plausible, but the text favours option A.", CAUSES, "A"),
    ("While A and B seem plausible, C is the most accurate.", CAUSES, "C"),
    ("While (A) seems right at first, (C) is what the report says.", CAUSES, "C"),
    ("The answer is likely to be C given the report.", CAUSES, "C"),
    (
        (
            "Based on the provided text, the correct answer is:\n\n**C) The engine had failed**\n\nHere "
            "is why:\n* A) Fog: no mention.\n* B) Captain: healthy.\n* D) Passengers: plenty."
        ),
        CAUSES,
        "C",
    ),
    ("C - because the mechanic says so", CAUSES, "C"),
    ("The mechanic, John D. Smith, wrote a report. C.", CAUSES, "C"),
    ("The Class B licence of the captain had expired.", CAUSES, ""),
    ("Vitamin C deficiency was common among sailors.", CAUSES, ""),
    ("Plan B was to take the bus.", CAUSES, ""),
    ("The captain's grade was A.", CAUSES, ""),
    ("It got a D from critics.", CAUSES, ""),
    ("Deck C was flooded, says the report.", CAUSES, ""),
    ("So, a captain wrote it. I am unsure.", CAUSES, ""),
    ("I'd like to help, but I need more context.", CAUSES, ""),
    ("Please provide the passage so I can answer.", CAUSES, ""),
    ("The answer cannot be determined from the text.", CAUSES, ""),
    ("The answer is not given in the document.", CAUSES, ""),
    ("Unknown", CAUSES, ""),
    ("N/A", CAUSES, ""),
    ("?", CAUSES, ""),
    ("", CAUSES, ""),
    ("...", CAUSES, ""),
    ("I think iron is what they mean", METALS, "A"),
    ("I believe the answer is gold, not silver.", METALS, "G"),
    ("It is I.", METALS, "I"),
    ("I", METALS, "I"),
    ("I.", METALS, "I"),
    ("(I)", METALS, "I"),
    ("I think it was cobalt.", METALS, "I"),
    ("I am certain that it is tin.", METALS, "C"),
    ("Answer: I", METALS, "I"),
    ("I would say J.", METALS, "J"),
    ("I don't know.", METALS, ""),
    ("I cannot say.", METALS, ""),
    ("So I think it's E", METALS, "E"),
    ("I, J", METALS, "IJ"),
    ("I and J", METALS, "IJ"),
    ("J, not I", METALS, "J"),
    ("A is wrong, so I choose B", METALS, "B"),
    ("E) zinc", METALS, "E"),
    ("e", METALS, "E"),
    ("Both silver and gold", METALS, "FG"),
    ("leading metals are gold", METALS, "G"),
    ("Yes.", ("Yes", "No"), "A"),
    ("No, he did not.", ("Yes", "No"), "B"),
    ("Yes, it is.", ("Yes", "No"), "A"),
    ("The answer is yes.", ("Yes", "No"), "A"),
    ("It is true that he left.", ("True", "False"), "A"),
    ("This is not true.", ("True", "False"), ""),
    ("The claim is false, because he stayed.", ("True", "False"), "B"),
    ("Das ist falsch.", ("Richtig", "Falsch"), "B"),
    ("Richtig.", ("Richtig", "Falsch"), "A"),
    ("正确", ("正确", "错误"), "A"),
    ("这句话是错误的。", ("正确", "错误"), "B"),
    ("Vrai", ("Vrai", "Faux"), "A"),
    ("C'est faux.", ("Vrai", "Faux"), "B"),
    ("Es falso.", ("Verdadero", "Falso"), "B"),
    ("He paid $5.", ("$5", "$10"), "A"),
    ("The answer is $10", ("$5", "$10"), "B"),
    ("\\boxed{\\$10}", ("$5", "$10"), "B"),
    ("about 5%", ("5%", "10%"), "A"),
    ("x_1", ("x_1", "x_2"), "A"),
    ("The answer is x_2.", ("x_1", "x_2"), "B"),
    ("snake_case", ("snake_case", "camelCase"), "A"),
    ("a*b", ("a*b", "a+b"), "A"),
    ("`a+b`", ("a*b", "a+b"), "B"),
    ("All of the above", ("dog", "cat", "All of the above"), "C"),
    ("The answer is A and B, so C.", ("dog", "cat", "Both A and B"), "C"),
    ("Both A and B", ("dog", "cat", "Both A and B"), "C"),
    ("The answer is (C) Both A and B", ("dog", "cat", "Both A and B"), "C"),
    ("C. Both A and B", ("dog", "cat", "Both A and B"), "C"),
    ("None of these", ("dog", "cat", "None of these"), "C"),
    ("The correct answer is C) both A and B.", ("dog", "cat", "Both A and B"), "C"),
]


@pytest.mark.parametrize(("reply", "choices", "right"), OTHERS)
def test_siblings_of_other_options(reply, choices, right):
    assert letters(reply, choices) == right


UNITS = (
    (
        "A "
    ), "A, B, ", "the answer is ", "the answer is B. ", "the fog came over the hull ", "(", "\\boxed{", "~", "<answer ",
    (
        "\"answer\""
    ), '{"a b c d e f g h i ', "is not ", "I would ", "the captain was ill and ", "是", "答案", "A. x\n",
)  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_time_is_linear_in_the_length_of_a_reply(unit):
    def seconds(size):
        reply = (unit * (size // len(unit) + 1))[:size]
        start = time.process_time()
        parse_choice(reply, CAUSES)
        return time.process_time() - start

    parse_choice("B", CAUSES)
    short = min(seconds(10_000) for _ in range(2))
    assert seconds(100_000) < 40 * short + 0.5, "a hundred kilobytes take ten times as long as ten"
