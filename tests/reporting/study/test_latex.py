"""Tables that pdflatex takes, whatever stands in them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.comparison.made_up import LEVELS, additive, table
from tests.comparison.study import run
from tests.reporting.study.made import report_of

from ablab.reporting.study.latex import escaped, render

HOSTILE = r"50 % of a_b & c·d #1 $x^2 {y} ~z \end{table} <|> “−” é ☃"

DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs}
\usepackage{graphicx}
\begin{document}
\input{report.tex}
\end{document}
"""


def test_every_sign_means_itself() -> None:
    assert escaped("50 % of a_b & c·d") == r"50 \% of a\_b \& c$\cdot$d"
    assert escaped("[−0.01]") == r"{[}$-$0.01]"
    assert escaped("a\nb\\") == r"a b\textbackslash{}"
    assert escaped("☃é") == "[U+2603]é"


def test_tables_are_booktabs_with_captions_and_labels() -> None:
    text = render(report_of(table(additive), levels=LEVELS))
    names = re.findall(r"\\label\{tab:([\w-]+)\}", text)
    assert names[:3] == ["arms", "cells", "main-effects"]
    assert {"interactions", "shapley", "subjects", "curves", "convergence", "cost"} <= set(names)
    for command in (r"\begin{table}", r"\caption{", r"\toprule", r"\midrule", r"\bottomrule", r"\end{table}"):
        assert text.count(command) == len(names), command
    assert r"\hline" not in text
    assert r"none$\cdot$linear$\cdot$gs1 &" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed (make system)")
@pytest.mark.parametrize("label", ["gated · mlp · gs2", HOSTILE])
def test_pdflatex_compiles_them(label: str, tmp_path: Path) -> None:
    plain = [run(seed=seed) for seed in range(3)]
    other = [run(label, seed, label=label, factors={label: label}) for seed in range(3)]
    whole = table(additive) if label != HOSTILE else [*plain, *other]
    treatment = {} if label != HOSTILE else {"treatment": label}
    (tmp_path / "report.tex").write_text(render(report_of(whole, study=label, **treatment)), encoding="utf-8")
    (tmp_path / "paper.tex").write_text(DOCUMENT)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        encoding="latin-1",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000
    assert "Overfull" not in done.stdout
