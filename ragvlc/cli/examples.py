"""Examples that each command's help ends with. A test parses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

__all__ = ["EXAMPLES", "add_examples", "name_of"]

EXAMPLES = {
    "ask": (
        'ragvlc ask paper.pdf "What was measured?" "Who did it?"',
        "ragvlc ask paper.pdf --questions questions.csv -p full_context -p rag -p self_route",
        'ragvlc ask full_context -d report.pdf "Who wrote the report?"',
        'ragvlc ask rag -d papers --trace "Which method was used?"',
    ),
    "cache": ("ragvlc cache", "ragvlc cache verify", "ragvlc cache clear answers --older-than 30"),
    "check": ("ragvlc check papers --tokenizer packaged:smollm2-135m-instruct --window 8192",),
    "check-kind": ("ragvlc check-kind my_metric:Brevity --set words=5",),
    "compare": (
        'ragvlc compare quickstart full_context "rag size=64"',
        "ragvlc compare runs/monday full_context full_context --with runs/tuesday",
    ),
    "datasets": ("ragvlc datasets", "ragvlc datasets longbench_v2"),
    "estimate": (
        "ragvlc estimate quickstart --limit 10",
        "ragvlc estimate full_context --context 100000 --questions 50",
        "ragvlc estimate my_sweep.yaml --difference 0.05",
    ),
    "export": (
        "ragvlc export quickstart",
        "ragvlc export quickstart --to latex --columns contains,difference,p,prompt_tokens",
        "ragvlc export quickstart --to bundle --documents",
        "ragvlc export quickstart --to model --cell full_context",
    ),
    "fit-router": ("ragvlc fit-router runs/my_sweep --route rag='rag size=64' --route full=full_context",),
    "init": ("ragvlc init papers",),
    "models": ("ragvlc models", "ragvlc models fetch"),
    "plan": ("ragvlc plan quickstart", "ragvlc plan my_sweep.yaml --set routes.rag.chunker.size=64"),
    "questions": ("ragvlc questions papers --model model.yaml --count 50",),
    "rankings": ("ragvlc rankings people generated", "ragvlc rankings people generated --metric evidence_recall"),
    "replay": ("ragvlc replay runs/routing", "ragvlc replay routing_lara --questions lara"),
    "report": ("ragvlc report quickstart", "ragvlc report quickstart --decide contains=0.03 --cost money"),
    "review": ("ragvlc review questions.jsonl", "ragvlc review questions.jsonl --apply decisions.csv"),
    "run": (
        "ragvlc run quickstart --limit 10",
        "ragvlc run my_sweep.yaml --set dataset.scope=corpus",
        "ragvlc run my_sweep.yaml --retry failed",
    ),
    "schema": ("ragvlc schema schemas",),
    "score": ("ragvlc score quickstart",),
    "show": (
        "ragvlc show quickstart",
        "ragvlc show quickstart --wrong",
        'ragvlc show quickstart --flipped full_context "rag size=64"',
        "ragvlc show quickstart --question python-for-else --passages",
    ),
    "track": ("ragvlc track quickstart",),
    "ui": ("ragvlc ui", "ragvlc ui runs/quickstart --port 5001"),
    "verify": ("ragvlc verify runs/quickstart", "ragvlc verify runs/quickstart --repair"),
}


def add_examples(app: typer.Typer) -> None:
    """Ends the help of each command with its examples."""
    for command in app.registered_commands:
        lines = "\n".join(f"  {line}" for line in EXAMPLES[name_of(command)])
        command.epilog = f"\b\nExamples:\n{lines}"


def name_of(command: typer.models.CommandInfo) -> str:
    """Returns the name of a command on the command line."""
    return command.name or getattr(command.callback, "__name__", "").replace("_", "-")
