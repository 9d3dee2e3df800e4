"""MRCR, GraphWalks, BABILong, OOLONG and SORT: values of their own scorers, run once."""

from __future__ import annotations

from published import cases

CASES = [
    *cases(
        "mrcr",
        "openai/mrcr card, grade",
        (
            (
                "aB3xYz9Qr1An ode to the sea. Waves rise and fall again. Waves rise and fall again. Waves r"
                "ise and fall again. "
            ),
            (
                "aB3xYz9Qr1An ode to the sea. Waves rise and fall again. Waves rise and fall again. Waves r"
                "ise and fall again. "
            ),
            1.0,
        ),
        (
            ("An ode to the sea. Waves rise and fall again. Waves rise and fall again. Waves rise and fall again. "),
            (
                "aB3xYz9Qr1An ode to the sea. Waves rise and fall again. Waves rise and fall again. Waves r"
                "ise and fall again. "
            ),
            0.0,
        ),
        (
            "aB3xYz9Qr1",
            (
                "aB3xYz9Qr1An ode to the sea. Waves rise and fall again. Waves rise and fall again. Waves r"
                "ise and fall again. "
            ),
            0.0,
        ),
        (
            "aB3xYz9Qr1An ode to the sea.",
            (
                "aB3xYz9Qr1An ode to the sea. Waves rise and fall again. Waves rise and fall again. Waves r"
                "ise and fall again. "
            ),
            0.3050847457627119,
        ),
        (
            "aB3xYz9Qr1Waves rise and fall. An ode.",
            (
                "aB3xYz9Qr1An ode to the sea. Waves rise and fall again. Waves rise and fall again. Waves r"
                "ise and fall again. "
            ),
            0.390625,
        ),
        (
            (
                "ab3xyz9qr1An ode to the sea. Waves rise and fall again. Waves rise and fall again. Waves r"
                "ise and fall again. "
            ),
            (
                "aB3xYz9Qr1An ode to the sea. Waves rise and fall again. Waves rise and fall again. Waves r"
                "ise and fall again. "
            ),
            0.0,
        ),
        (
            "",
            (
                "aB3xYz9Qr1An ode to the sea. Waves rise and fall again. Waves rise and fall again. Waves r"
                "ise and fall again. "
            ),
            0.0,
        ),
        (
            (
                "aB3xYz9Qr1An ode to the sea. Waves rise and fall again. Waves rise and fall again. Waves r"
                "ise and fall again. An ode to the sea. Waves rise and fall again. Waves rise and fall agai"
                "n. Waves rise and fall again. "
            ),
            (
                "aB3xYz9Qr1An ode to the sea. Waves rise and fall again. Waves rise and fall again. Waves r"
                "ise and fall again. "
            ),
            0.6666666666666666,
        ),
        (
            (
                "aB3xYz9Qr1AN ODE TO THE SEA. WAVES RISE AND FALL AGAIN. WAVES RISE AND FALL AGAIN. WAVES R"
                "ISE AND FALL AGAIN. "
            ),
            (
                "aB3xYz9Qr1An ode to the sea. Waves rise and fall again. Waves rise and fall again. Waves r"
                "ise and fall again. "
            ),
            0.28,
        ),
        (
            (
                "Sure! aB3xYz9Qr1An ode to the sea. Waves rise and fall again. Waves rise and fall again. W"
                "aves rise and fall again. "
            ),
            (
                "aB3xYz9Qr1An ode to the sea. Waves rise and fall again. Waves rise and fall again. Waves r"
                "ise and fall again. "
            ),
            0.0,
        ),
        scoring={"prefix": "aB3xYz9Qr1"},
    ),
    *cases(
        "mrcr",
        "openai/mrcr card, grade",
        (
            (
                "aB3xYz9Qr1Waves rise and fall again over the quiet and empty sea of glass. Waves rise and "
                "fall again over the quiet and empty sea of glass. Waves rise and fall again over the quiet"
                " and empty sea of glass. Waves rise and fall again over the quiet and empty sea of glass. "
                "Waves rise and fall again over the quiet and empty sea of glass. Waves"
            ),
            (
                "aB3xYz9Qr1Waves rise and fall again over the quiet and empty sea of glass. Waves rise and "
                "fall again over the quiet and empty sea of glass. Waves rise and fall again over the quiet"
                " and empty sea of glass. Waves rise and fall again over the quiet and empty sea of glass. "
                "Waves rise and fall again over the quiet and empty sea of glass. Waves rise and fall again"
                " over the quiet and empty sea of glass. "
            ),
            0.9166666666666666,
        ),
        (
            "aB3xYz9Qr1a sea of glass",
            (
                "aB3xYz9Qr1Waves rise and fall again over the quiet and empty sea of glass. Waves rise and "
                "fall again over the quiet and empty sea of glass. Waves rise and fall again over the quiet"
                " and empty sea of glass. Waves rise and fall again over the quiet and empty sea of glass. "
                "Waves rise and fall again over the quiet and empty sea of glass. Waves rise and fall again"
                " over the quiet and empty sea of glass. "
            ),
            0.0,
        ),
        (
            (
                "aB3xYz9Qr1ass. Waves rise and fall again over the quiet and empty sea of glass. Waves rise"
                " and fall again over the quiet and empty sea of glass. Waves rise and fall again over the "
                "quiet and empty sea of glass. "
            ),
            (
                "aB3xYz9Qr1Waves rise and fall again over the quiet and empty sea of glass. Waves rise and "
                "fall again over the quiet and empty sea of glass. Waves rise and fall again over the quiet"
                " and empty sea of glass. Waves rise and fall again over the quiet and empty sea of glass. "
                "Waves rise and fall again over the quiet and empty sea of glass. Waves rise and fall again"
                " over the quiet and empty sea of glass. "
            ),
            0.0,
        ),
        scoring={"prefix": "aB3xYz9Qr1"},
    ),
    *cases(
        "graphwalks",
        "openai/graphwalks card, get_list",
        ("Final Answer: [a1, b2, c3]", "-", 0.6666666666666666),
        ("I walk.\nFinal Answer: [a1, b2]", "-", 0.4),
        ("Final Answer: [z9, b2, c3]", "-", 0.6666666666666666),
        ("Final Answer: [x1]", "-", 1.0),
        ("Final Answer: []", "-", 1.0),
        ("no list", "-", 1.0),
        ("Final Answer: [a1, b2, c3]\n", "-", 1.0),
        ("Final Answer:[b2,b2,b2]", "-", 0.4),
        ("Final Answer: b2, c3", "-", 1.0),
        ("final answer: [a1]", "-", 1.0),
        ("Final Answer: [z] Final Answer: [a1, b2, c3]", "-", 0.6666666666666666),
        settings={"as_published": True},
        scoring={"nodes": ["a1", "b2", "c3"]},
    ),
    *cases(
        "graphwalks",
        "openai/graphwalks card, get_list",
        (
            "Final Answer: [a1, b2, c3]",
            "-",
            0.6666666666666666,
            1.0,
            "the code on the card keeps the opening on the first node",
        ),
        ("I walk.\nFinal Answer: [a1, b2]", "-", 0.4, 0.8, "the code on the card gives 1 where no node is right"),
        ("Final Answer: [z9, b2, c3]", "-", 0.6666666666666666),
        ("Final Answer: [x1]", "-", 1.0, 0.0, "the code on the card gives 1 where no node is right"),
        ("Final Answer: []", "-", 1.0, 0.0, "the code on the card gives 1 where no node is right"),
        ("no list", "-", 1.0, 0.0, "the code on the card gives 1 where no node is right"),
        ("Final Answer: [a1, b2, c3]\n", "-", 1.0, 0.0, "the code on the card keeps the opening on the first node"),
        ("Final Answer:[b2,b2,b2]", "-", 0.4, 0.5, "the code on the card keeps the opening on the first node"),
        ("Final Answer: b2, c3", "-", 1.0, 0.0, "the code on the card keeps the opening on the first node"),
        ("final answer: [a1]", "-", 1.0, 0.0, "the code on the card gives 1 where no node is right"),
        ("Final Answer: [z] Final Answer: [a1, b2, c3]", "-", 0.6666666666666666),
        scoring={"nodes": ["a1", "b2", "c3"]},
    ),
    *cases(
        "graphwalks",
        "openai/graphwalks card, get_list",
        ("Final Answer: []", "-", 1.0),
        scoring={"nodes": []},
    ),
    *cases(
        "babilong",
        "babilong/metrics.py compare_answers",
        ("The garden.", "garden", 1.0),
        ("garden and kitchen", "garden", 0.0),
        ("It is in the GARDEN. Not the kitchen", "garden", 1.0),
        ("Not here. garden", "garden", 0.0),
        ("garden<context>kitchen", "garden", 1.0),
        ("gardens", "garden", 1.0),
        ("", "garden", 0.0),
        ("office", "garden", 0.0),
        ("garden Question kitchen", "garden", 0.0),
        scoring={"labels": ["bathroom", "bedroom", "garden", "hallway", "kitchen", "office"]},
    ),
    *cases(
        "babilong",
        "babilong/metrics.py compare_answers",
        ("none", "none", 0.0),
        ("no one", "none", 0.0),
        ("two", "two", 1.0),
        ("one hundred", "one", 1.0),
        scoring={"labels": ["none", "one", "three", "two"]},
    ),
    *cases(
        "babilong",
        "babilong/metrics.py compare_answers",
        ("apple,milk", "apple,milk", 1.0),
        ("milk and apple", "apple,milk", 1.0),
        ("apple", "apple,milk", 0.0),
        ("apple, milk, football", "apple,milk", 0.0),
        ("nothing", "nothing", 1.0),
        scoring={"labels": ["apple", "football", "milk", "nothing"]},
    ),
    *cases(
        "babilong",
        "babilong/metrics.py compare_answers",
        ("n,n", "n,n", 1.0),
        ("go n,n then s,s", "n,n", 0.0),
        ("e,n", "e,n", 1.0),
        ("one,n", "e,n", 1.0),
        ("n, n", "n,n", 0.0),
        scoring={"labels": ["e,e", "e,n", "e,s", "n,e", "n,n", "n,w", "s,e", "s,s", "s,w", "w,n", "w,s", "w,w"]},
    ),
    *cases(
        "babilong",
        "babilong/metrics.py compare_answers",
        ("maybe", "maybe", 1.0),
        ("no", "no", 1.0),
        ("I do not know", "no", 1.0),
        ("yes, maybe", "yes", 0.0),
        scoring={"labels": ["maybe", "no", "yes"]},
    ),
    *cases(
        "oolong",
        "src/eval/eval_helpers.py synth_process_response",
        ("Answer: 7", "[7]", 1.0),
        ("Answer: 9", "[7]", 0.5625),
        ("**Answer: [7]**", "[7]", 1.0),
        ("7", "[7]", 1.0),
        ("I count seven in total here: 7.0", "[7]", 0.0),
        ("The total number is 7", "[7]", 1.0),
        ("Answer: many", "[7]", 0.0),
        ("Answer: 1_0", "[10]", 1.0),
        ("", "[7]", 0.0),
        ("Answer: -3", "[7]", 0.056313514709472656),
        ("                         ", "[7]", None, 0.0, "the script fails on white space"),
        scoring={"answer_type": "ANSWER_TYPE.NUMERIC"},
    ),
    *cases(
        "oolong",
        "src/eval/eval_helpers.py synth_process_response",
        ("Label: spam", "['spam']", 1.0),
        ("Label: **spam**", "['spam']", 1.0),
        ("spam", "['spam']", 1.0),
        ("Spam", "['spam']", 0.0),
        ("The most common label must be spam", "['spam']", 1.0),
        ("Answer: it is more common than the others", "['more common than']", 1.0),
        ("Answer: more common", "['more common than']", 1.0),
        ("Answer: as said, spam is less common than ham", "['more common than']", 0.0),
        ("Answer: same frequency as", "['same frequency as']", 1.0),
        ("a: b: spam", "['spam']", 1.0),
        ("Label: spam.", "['spam']", 0.0),
        scoring={"answer_type": "ANSWER_TYPE.LABEL"},
    ),
    *cases(
        "oolong",
        "src/eval/eval_helpers.py synth_process_response",
        ("Date: 2023-05-01", "[datetime.date(2023, 5, 1)]", 1.0),
        ("Date: May 1, 2023", "[datetime.date(2023, 5, 1)]", 1.0),
        ("Date: 1 May 2023", "[datetime.date(2023, 5, 1)]", 1.0),
        ("Date: 2023-05-02", "[datetime.date(2023, 5, 1)]", 0.0),
        ("Date: soon", "[datetime.date(2023, 5, 1)]", 0.0),
        ("Date: 05/01/2023", "[datetime.date(2023, 5, 1)]", 1.0),
        scoring={"answer_type": "ANSWER_TYPE.DATE"},
    ),
    *cases(
        "oolong",
        "src/eval/eval_helpers.py dnd_process_response",
        ("\\boxed{7}", "7", 1.0),
        ("\\boxed{\\text{7}}", "7", 1.0),
        ("\\boxed{9}", "7", 0.5625),
        ("7", "7", 0.0),
        ("Vex", "vex", 1.0),
        ("so \\boxed{Vex} it is", "Vex", 1.0),
        ("\\boxed{a, c}", "a, b, c", 0.6666666666666666),
        ("\\boxed{a, b, c, d}", "a, b, c", 1.0),
        ("\\boxed{a}", "a, b, c", 0.0),
        ("a, b", "a, b", 0.0),
        ("\\boxed{{7}}", "7", 1.0),
        ("\\boxed{}", "7", 0.0),
        ("\\boxed{\\text{Vex} }", "Vex", 0.0),
        ("\\boxed 7", "7", 0.0),
        ("\\boxed{3} \\boxed{\\text{7}}", "7", 1.0),
        (
            (
                "\\boxed{99999999999999999999999999999999999999999999999999999999999999999999999999999999999"
                "999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999"
                "999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999"
                "999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999"
                "99999999999999999999999999999999999999999999999}"
            ),
            "7",
            None,
            0.0,
            "the script fails on a number too large",
        ),
        settings={"split": "real"},
    ),
    *cases(
        "sort_accuracy",
        "sort/evaluation/evaluation_utils.py parse_str_response",
        ("A", "A", 1.0),
        ("B", "A", 0.0),
        ("a", "A", 0.0),
        ("Segment A", "A", 1.0),
        ("Answer: A", "A", 1.0),
        ("A: B:", "A", 0.0),
        ("Both A and B", "A", 0.0),
        ("", "A", 0.0),
        ("B.", "A", 0.0),
        ("C", "A", 0.0),
        (" b ", "A", 0.0),
        ("The first is B:", "A", 0.0),
        ("A", "B", 0.0),
        ("B", "B", 1.0),
        ("a", "B", 0.0),
        ("Segment A", "B", 0.0),
        settings={"parser": "plain"},
    ),
    *cases(
        "sort_accuracy",
        "sort/evaluation/evaluation_utils.py parse_str_response_openai",
        ("A", "A", 1.0),
        ("B", "A", 0.0),
        ("a", "A", 0.0),
        ("Segment A", "A", 1.0),
        ("Answer: A", "A", 1.0),
        ("A: B:", "A", 0.0),
        ("Both A and B", "A", 0.0),
        ("", "A", 0.0),
        ("B.", "A", 0.0),
        ("C", "A", 0.0),
        (" b ", "A", 0.0),
        ("The first is B:", "A", 0.0),
        ("A", "B", 0.0),
        ("B", "B", 1.0),
        ("a", "B", 0.0),
        ("Segment A", "B", 0.0),
        settings={"parser": "openai"},
    ),
]
