"""LV-Eval: values of its `metrics.py`, run once."""

from __future__ import annotations

from published import cases

CASES = [
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_score_with_gold_ans",
        ("It was built in 1931 by Smith", "built by Smith in 1931", 0.8333333333333333),
        ("It was built", "built by Smith in 1931", 0.0),
        tags={"dataset": "hotpotwikiqa_mixup_16k"},
        scoring={"answer_keywords": "Smith 1931"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_score_with_gold_ans",
        ("in the of", "in the of", 0.0),
        tags={"dataset": "hotpotwikiqa_mixup_16k"},
        scoring={"answer_keywords": "in the of"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_score_with_gold_ans",
        ("Smith", "Smith", 0.0),
        tags={"dataset": "hotpotwikiqa_mixup_16k"},
        scoring={"answer_keywords": "Smith and the other five men of old"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_score_with_gold_ans",
        ("", "Smith", 0.0),
        ("Smith", ("Jones", "Smith"), 0.0),
        ("Smith", "Jones", 0.0),
        tags={"dataset": "hotpotwikiqa_mixup_16k"},
        scoring={"answer_keywords": "Smith"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_score_with_gold_ans",
        ("built", "built by Smith", 0.5),
        tags={"dataset": "loogle_SD_mixup_256k"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_score_with_gold_ans",
        ("x", "y", None, 0.0, "the script divides by zero"),
        tags={"dataset": "loogle_CR_mixup"},
        scoring={"answer_keywords": "!!!"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_zh_score_with_gold_ans",
        ("北京大学在北京", "北京大学", 0.5),
        tags={"dataset": "cmrc_mixup_32k"},
        scoring={"answer_keywords": "北京"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_zh_score_with_gold_ans",
        ("北京 大学", "北京大学", 0.0),
        tags={"dataset": "cmrc_mixup_32k"},
        scoring={"answer_keywords": "北京大学"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_zh_score_with_gold_ans",
        ("红楼梦", "红楼梦", 1.0),
        ("的和是", "的和是", 0.0),
        tags={"dataset": "cmrc_mixup_32k"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_zh_score_with_gold_ans",
        ("他来到杭研大厦", "杭研大厦", 0.6666666666666666),
        tags={"dataset": "cmrc_mixup_32k"},
        scoring={"answer_keywords": "杭研"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_zh_score_with_gold_ans",
        ("", "红楼梦", 0.0),
        tags={"dataset": "cmrc_mixup_32k"},
        scoring={"answer_keywords": "红楼梦"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_zh_score_with_gold_ans",
        ("1931年", "1931年", 1.0),
        tags={"dataset": "cmrc_mixup_32k"},
        scoring={"answer_keywords": "1931年"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_zh_score_with_gold_ans",
        ("！", "！", None, 0.0, "the script divides by zero"),
        tags={"dataset": "lic_mixup_64k"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_score",
        ("the blue cat", "blue cat", 1.0),
        ("", "cat", 0.0),
        tags={"dataset": "factrecall_en_16k"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py qa_f1_zh_score",
        ("贝多芬", "贝多芬", 1.0),
        ("是贝多芬", "贝多芬", 0.6666666666666666),
        ("", "贝多芬", 0.0),
        tags={"dataset": "factrecall_zh_128k"},
    ),
    *cases(
        "lveval_f1",
        "metrics.py rouge_zh_score_blacklist",
        ("预算不变。会议讨论了预算。", "会议讨论了预算", 0.8571428522448981),
        ("的和是", "的和是", 0.999999995),
        ("", "预算", 0.0),
        ("可以使用A.B", "可以使用A.B", 0.999999995),
        tags={"dataset": "dureader_mixup_16k"},
    ),
]
