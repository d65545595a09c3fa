"""Changing one rule where it stands: its text is taken out of its file and put back; nothing else of the file changes.

A rule of its own file, an item of a list, and `{…}` on one line are all changed in place; comments within a rule are
part of its text. What would come out otherwise than meant is refused: then the file is changed by hand.
"""

from __future__ import annotations

import hashlib
import textwrap
import threading
from dataclasses import dataclass
from pathlib import Path

import yaml

from config.errors import UsageError
from config.yamlfile import parse_yaml, read_yaml
from monitor.alerts.loading import DOCS, check_rules, load_rules, rules_folder, write_rules
from monitor.alerts.rule import Rule, RuleFile

YOURS = "the rule"
"""What messages call a text that is in no file yet."""
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Source:
    """A rule as it is written. `digest` is that of its text: whoever changes it says which text they have seen."""

    path: Path
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def read_rule(text: str) -> Rule:
    """One rule from its keys. UsageError with the line."""
    rules = read_yaml(text.encode("utf-8", "replace"), RuleFile, file=YOURS, docs=DOCS).rules
    node, _ = parse_yaml(text)
    if len(rules) != 1 or not isinstance(node, yaml.MappingNode) or any(key.value == "rules" for key, _ in node.value):
        raise UsageError("This is not one rule.", file=YOURS, remedy="Write the keys of one rule, without `rules:`.")
    return rules[0]


def source_of(data_dir: Path, rule_id: str) -> Source:
    """The text of a rule. UsageError: there is none of that id, or its file is written so that it cannot be told."""
    loaded = load_rules(data_dir)
    loaded.find(rule_id)
    path = loaded.files[rule_id]
    content = path.read_text(encoding="utf-8-sig")
    first, last, indent = _span(content, rule_id, path)
    lines = content[first:last].split("\n")
    rest = textwrap.dedent("\n".join(lines[1:])) if indent == 0 else "\n".join(_outdent(lines[1:], indent))
    return Source(path, "\n".join([lines[0], *([rest] if len(lines) > 1 else [])]) + "\n")


def add_rule(data_dir: Path, text: str) -> Rule:
    """A new rule, in a file of its own. UsageError: it is broken, or its id or the file's name is taken."""
    rule = read_rule(text)
    target = rules_folder(data_dir) / f"{rule.id}.yml"
    with _LOCK:
        check_rules(data_dir, text.encode(), target, file=YOURS)
        if target.exists():
            raise UsageError(f"There is a file {target.name} already.", file=YOURS, remedy="Choose another id.")
        write_rules(target, text.encode())
    return rule


def change_rule(data_dir: Path, rule_id: str, text: str, digest: str) -> Rule:
    """Another text in the place of a rule's. UsageError: it is broken, has another id, or somebody else has changed the
    rule since `digest` was taken."""
    rule = read_rule(text)
    if rule.id != rule_id:
        raise UsageError(
            f"The id of a rule stays: {rule_id!r}, not {rule.id!r}.", file=YOURS,
            remedy="Its alerts hang on it. Make a new rule, and switch this one off.",
        )  # fmt: skip
    with _LOCK:
        source = source_of(data_dir, rule_id)
        if source.digest != digest:
            raise UsageError(f"Somebody has changed {rule_id} meanwhile.", remedy="Open it again and look at it first.")
        content = source.path.read_text(encoding="utf-8-sig")
        first, last, indent = _span(content, rule_id, source.path)
        there, *rest = text.strip("\n").split("\n")
        rest = [" " * indent + line if line.strip() else "" for line in rest]
        changed = content[:first] + "\n".join([there, *rest]) + content[last:]
        before = read_yaml(content.encode(), RuleFile, file=source.path).rules
        meant = tuple(rule if one.id == rule_id else one for one in before)
        try:
            got = tuple(check_rules(data_dir, changed.encode(), source.path, file=source.path))
        except UsageError:
            got = ()
        if got != meant:
            raise _by_hand(rule_id, source.path)
        write_rules(source.path, changed.encode())
    return rule


def set_key(text: str, key: str, value: str) -> str:
    """The text of a rule with a plain key set."""
    node, _ = parse_yaml(text)
    assert isinstance(node, yaml.MappingNode)
    for name, one in node.value:
        if name.value == key:
            return text[: one.start_mark.index] + value + text[one.end_mark.index :]
    if not node.flow_style:
        return f"{text.rstrip()}\n{key}: {value}\n"
    end = _end(node)
    before = text[: end - 1].rstrip()
    return f"{before}{'' if before.endswith(',') else ','} {key}: {value}{text[end - 1 :]}"


def _span(content: str, rule_id: str, path: Path) -> tuple[int, int, int]:
    """Where a rule's text begins and ends (with a comment behind it), and how far its lines are indented."""
    if any(isinstance(token, (yaml.AnchorToken, yaml.AliasToken)) for token in yaml.scan(content)):
        raise _by_hand(rule_id, path)
    root, _ = parse_yaml(content)
    nodes: list[yaml.Node] = []
    if isinstance(root, yaml.MappingNode):
        lists = [value for key, value in root.value if key.value == "rules"]
        nodes = lists[0].value if lists and isinstance(lists[0], yaml.SequenceNode) else [root]
    elif isinstance(root, yaml.SequenceNode):
        nodes = root.value
    for node in nodes:
        ids = [value.value for key, value in node.value if key.value == "id"]
        if ids == [rule_id]:
            end = _end(node)
            line = content.find("\n", end)
            line = len(content) if line < 0 else line
            if content[end:line].lstrip().startswith("#"):
                end = line
            return node.start_mark.index, end, node.start_mark.column
    raise _by_hand(rule_id, path)


def _end(node: yaml.Node) -> int:
    """Index behind the last character: a block's own mark lies before the next thing, comments between included."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _outdent(lines: list[str], indent: int) -> list[str]:
    return [line[min(indent, len(line) - len(line.lstrip(" "))) :] for line in lines]


def _by_hand(rule_id: str, path: Path) -> UsageError:
    return UsageError(
        f"{rule_id} is written so that it cannot be changed here.", file=path,
        remedy="Change the file by hand; the next run takes it up.",
    )  # fmt: skip
