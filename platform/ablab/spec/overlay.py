"""One layer of a spec laid over another: a child file over its parent, overrides over a file.

Where the layer changes the ``kind`` of a block, inherited keys that the new kind does not know are dropped
with a notice; keys that both kinds share are kept.
"""

from __future__ import annotations

from contextlib import suppress

from ablab.spec.experiment import SpecModel
from ablab.spec.plugins import BrokenPluginError, load
from ablab.spec.reader import Mark, Tree
from ablab.spec.shape import Block, blocks


def overlay(base: Tree, layer: Tree, model: type[SpecModel], key: str = "") -> tuple[Tree, tuple[str, ...]]:
    """``layer`` over ``base`` and the notices; mappings are joined key by key, all else is replaced."""
    if not key:
        meet_kinds(base, model)
        meet_kinds(layer, model)
    if not isinstance(base.value, dict) or not isinstance(layer.value, dict):
        return layer, ()
    kept, notices = _kept(base.value, layer, blocks(model).get(key), key)
    for name, entry in layer.value.items():
        if name in kept:
            kept[name], inner = overlay(kept[name], entry, model, f"{key}.{name}" if key else name)
            notices += inner
        else:
            kept[name] = entry
    return Tree(kept, layer.mark), notices


def meet_kinds(tree: Tree, model: type[SpecModel]) -> None:
    """Import the plug-ins that a tree names, so that their keys are known; faults are left to the check."""
    for key, block in blocks(model).items():
        entry = tree.at(f"{key}.kind") if block.is_open else None
        if entry is not None and isinstance(entry.value, str) and entry.value not in block.kinds:
            with suppress(KeyError, BrokenPluginError):
                load(entry.value)


def nested(key: str, value: Tree, mark: Mark) -> Tree:
    """A layer that sets one dotted key.

    >>> nested("a.b", Tree(1, Mark("--set", None)), Mark("--set", None)).plain()
    {'a': {'b': 1}}
    """
    for part in reversed(key.split(".")):
        value = Tree({part: value}, mark)
    return value


def kind_of(tree: Tree, block: Block) -> str:
    """The kind that a block's mapping chooses, or the default where it names no known one."""
    written = tree.get("kind")
    kind = written.value if written else None
    return kind if isinstance(kind, str) and kind in block.kinds else block.default


def _kept(
    base: dict[str, Tree], layer: Tree, block: Block | None, key: str
) -> tuple[dict[str, Tree], tuple[str, ...]]:
    if block is None or not block.is_choice or layer.get("kind") is None:
        return dict(base), ()
    old, new = kind_of(Tree(base, layer.mark), block), kind_of(layer, block)
    foreign = set(block.fields(old)) - set(block.fields(new)) if old != new else set()
    kept = {name: entry for name, entry in base.items() if name not in foreign}
    dropped: dict[str, list[str]] = {}
    for name, entry in base.items():
        if name in foreign:
            dropped.setdefault(entry.mark.source, []).append(f"{key}.{name}")
    notices = tuple(
        f"{key}.kind is now '{new}': dropped {', '.join(names)} from {source}"
        for source, names in dropped.items()
    )
    return kept, notices
