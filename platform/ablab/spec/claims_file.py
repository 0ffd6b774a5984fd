"""A claims file in, a checked ledger out; all faults in one pass, each where it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ablab.errors import Problem, SpecError
from ablab.spec.check import Fault, check
from ablab.spec.claims import Arithmetic, Claim, Heading, Ledger, Parameters
from ablab.spec.experiment import Experiment
from ablab.spec.expression import evaluate
from ablab.spec.files import existing
from ablab.spec.reader import Document, Tree, read_file
from ablab.spec.shape import keys, nearest


def load_claims(path: Path) -> Ledger:
    """Read a claims file; SpecError names every fault with file, line and key."""
    return claims_in(read_file(existing(path, None, "")), path)


def claims_in(document: Document, path: Path) -> Ledger:
    """The ledger in a text that stands, or is about to stand, at ``path``."""
    tree = document.tree
    if not isinstance(tree.value, dict):
        raise SpecError([Problem(str(path), tree.mark.line, "", "must be a mapping of keys to values")])
    kind = tree.get("kind")
    if kind is None or kind.value != "claims":
        line = None if kind is None else kind.mark.line
        raise SpecError(
            [Problem(str(path), line, "kind", "is no claims file; one begins with 'kind: claims'")]
        )
    written = tree.get("claims")
    heading, faults = check(
        Tree({name: entry for name, entry in tree.value.items() if name != "claims"}, tree.mark), Heading
    )
    problems = [*document.problems, *(fault.problem for fault in faults)]
    if written is None or not isinstance(written.value, dict) or not written.value:
        mark = tree.mark if written is None else written.mark
        reason = "missing; give at least one claim (a name with its keys)"
        raise SpecError([*problems, Problem(mark.source, mark.line, "claims", reason)])
    claims: dict[str, Claim] = {}
    for name, entry in written.value.items():
        claim, of_claim = check(entry, Claim)
        problems += [_within(fault, name) for fault in of_claim]
        if claim is not None:
            claims[name] = claim
    if heading is not None:
        problems += _unknown_arm_keys(tree)
        for name, claim in claims.items():
            problems += _unknown_names(heading, claim, written.value[name], f"claims.{name}")
    if heading is None or problems:
        raise SpecError(sorted(problems, key=lambda problem: problem.line or 0))
    return Ledger(**{field: getattr(heading, field) for field in Heading.model_fields}, claims=claims)


def _within(fault: Fault, claim: str) -> Problem:
    problem = fault.problem
    key = f"claims.{claim}.{problem.key}" if problem.key else f"claims.{claim}"
    return Problem(problem.source, problem.line, key, problem.reason)


def _unknown_arm_keys(tree: Tree) -> Iterator[Problem]:
    """Keys of arms that are none of an experiment's; those of an installed model are not known here."""
    known = keys(Experiment)
    arms = tree.get("arms")
    for arm, levels in (arms.value if arms is not None and isinstance(arms.value, dict) else {}).items():
        if not isinstance(levels.value, dict):
            continue
        for key, entry in levels.value.items():
            other_model = levels.get("model.kind") is not None and key.startswith("model.")
            if key in known or other_model:
                continue
            near = nearest(key, known)
            hint = f"did you mean '{near}'?" if near else "write it dotted, such as improvements.mlp_head"
            mark = entry.mark
            yield Problem(mark.source, mark.line, f"arms.{arm}.{key}", f"no key of an experiment ({hint})")


def _unknown_names(heading: Heading, claim: Claim, tree: Tree, key: str) -> Iterator[Problem]:
    """Arms, counts and numbers that a claim refers to and the file does not give."""
    quantity = claim.quantity

    def problem(field: str, reason: str) -> Problem:
        entry = tree.at(f"quantity.{field}") or tree
        return Problem(entry.mark.source, entry.mark.line, f"{key}.quantity.{field}", reason)

    if isinstance(quantity, Arithmetic):
        try:
            evaluate(quantity.expression, heading.numbers)
        except ValueError as error:
            yield problem("expression", str(error))
        return
    known: Mapping[str, object] = heading.parameters if isinstance(quantity, Parameters) else heading.arms
    where = "parameters" if isinstance(quantity, Parameters) else "arms"
    for field in ("arm", "minus", "treatment", "reference"):
        name = getattr(quantity, field, None)
        if name is not None and name not in known:
            near = nearest(name, known)
            hint = f"did you mean '{near}'?" if near else f"there are: {', '.join(known) or 'none'}"
            yield problem(field, f"'{name}' is not under '{where}' ({hint})")
