"""A gate as JUnit XML, which build servers show: one test case per check."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from ablab.regression import words
from ablab.regression.values import Gate

_NOT_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def render(gate: Gate) -> str:
    """``failure`` for FAIL, ``error`` for INCONCLUSIVE (the gate could not tell), ``skipped`` for SKIPPED."""
    checks = gate.judgement.checks
    suite = ElementTree.Element(
        "testsuite",
        name=gate.study,
        tests=str(len(checks)),
        failures=str(len(words.of(gate, "FAIL"))),
        errors=str(len(words.of(gate, "INCONCLUSIVE"))),
        skipped=str(len(words.of(gate, "SKIPPED"))),
        time=f"{gate.seconds:.3f}",
        timestamp=gate.began,
    )
    kinds = {"FAIL": "failure", "INCONCLUSIVE": "error", "SKIPPED": "skipped"}
    for check in checks:
        case = ElementTree.SubElement(suite, "testcase", classname=gate.study, name=_text(check.name))
        if check.finding in kinds:
            ElementTree.SubElement(case, kinds[check.finding], message=_text(check.reason))
        else:
            ElementTree.SubElement(case, "system-out").text = _text(check.reason)
    ElementTree.SubElement(suite, "system-out").text = _text("\n".join(words.lines(gate)))
    ElementTree.indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suite, encoding="unicode")}\n'


def _text(text: str) -> str:
    """Without the characters that XML cannot hold at all."""
    return _NOT_XML.sub("", text)
