"""A scripted expert over any prose: it asks for a name or number that it takes out of a sentence, and reads by rote.

It writes as an expert would who never errs in form: question, answer and quote are those of the sentence. It answers
only where a text holds the sentence that was asked about, and knows nothing closed book.
"""

from __future__ import annotations

import re

SENTENCE = re.compile(r"[A-Z][^.!?\n]{50,260}[.!?](?=\s|\Z)")
NAME = re.compile(r"(?<=[a-z,;] )(?:[A-Z][\w’'-]+(?: (?:of |the )?[A-Z][\w’'-]+)*)")
NUMBER = re.compile(r"(?<![\w.,])\d[\d.,]*\d(?![\w,.%]*\d)")
WORD = re.compile(r"\w+")
ASKED = re.compile(r".+?: which name or number fills the gap in: (?P<left>.*?)_____(?P<right>.*)\Z", re.DOTALL)


class ClozeExpert:
    """Replies to every prompt of the generation of questions.

    Args:
        every: one word of so many is left out of the statement, beside the answer; 0 leaves it as it is. So a question
            shares fewer words with its evidence.
    """

    def __init__(self, every: int = 0) -> None:
        self.every = every

    def __call__(self, prompt: str) -> str:
        if "Reply in exactly this form" in prompt:
            return self.write(prompt)
        if prompt.startswith(("Answer this question", "Write a short summary")):
            return "UNANSWERABLE"
        return self.answer(prompt.rsplit("\n\n", 1)[-1], prompt)

    def write(self, prompt: str) -> str:
        """Returns a question about the sentence in the middle of what is shown, with its answer and quote."""
        shown = re.split(r"\n\nWrite one", prompt, maxsplit=1)[0]
        title, _, text = shown.partition("]\n")
        wanted = NUMBER if "whose answer is a number" in prompt else NAME
        found = [
            (one[0], answers[0])
            for one in SENTENCE.finditer(text)
            if (answers := [answer for answer in wanted.finditer(one[0]) if answer.start() >= 20])
        ]
        if not found:
            return "NONE"
        sentence, answer = found[len(found) // 2]
        left, right = self.thinned(sentence[: answer.start()]), self.thinned(sentence[answer.end() :])
        question = f"{title.strip('[')}: which name or number fills the gap in: {left}_____{right}"
        return f"QUESTION: {question}\nANSWER: {answer[0]}\nQUOTE: {sentence}"

    def thinned(self, text: str) -> str:
        """Returns the text without one word of so many."""
        places = list(WORD.finditer(text))
        for place in reversed(places[self.every - 1 :: self.every] if self.every else []):
            text = text[: place.start()] + "…" + text[place.end() :]
        return text

    def answer(self, question: str, text: str) -> str:
        """Returns what a text has in the gap of the statement."""
        asked = ASKED.match(question)
        if asked is None:
            return "UNANSWERABLE"
        left, right = (r"\w+".join(map(re.escape, asked[side].split("…"))) for side in ("left", "right"))
        found = re.search(f"{left}(?P<gap>.+?){right}", text.rsplit("\n\nBased on", 1)[0])
        return found["gap"] if found else "UNANSWERABLE"
