"""The folder of rules, `DATA/alerts/*.yml`: read, checked, added to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config.errors import UsageError
from config.yamlfile import load_yaml, read_yaml
from monitor.alerts.rule import Rule, RuleFile
from monitor.alerts.words import suggest

DOCS = "docs/alerts.md"


@dataclass(frozen=True)
class Loaded:
    """Rules by file, and how to find one."""

    rules: tuple[Rule, ...]
    files: dict[str, Path]

    def find(self, rule_id: str) -> Rule:
        """The rule of that id. UsageError with the nearest known one."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        remedy = suggest(rule_id, self.files) if self.files else "There are none yet: dropline alerts add FILE"
        raise UsageError(f"There is no rule {rule_id!r}.", remedy=f"{remedy[0].upper()}{remedy[1:]}.")


def rules_folder(data_dir: Path) -> Path:
    """Where an installation keeps its rules."""
    return data_dir / "alerts"


def read_file(path: Path) -> tuple[Rule, ...]:
    """The rules of one file. UsageError naming file and line."""
    return load_yaml(path, RuleFile, docs=DOCS).rules


def load_rules(data_dir: Path) -> Loaded:
    """All rules, by file name and then in the order of the file. UsageError: a broken file, or an id given twice."""
    rules: list[Rule] = []
    files: dict[str, Path] = {}
    for path in sorted(rules_folder(data_dir).glob("*.yml")):
        for rule in read_file(path):
            if rule.id in files:
                raise UsageError(
                    f"The rule {rule.id!r} stands in {files[rule.id].name} already.", file=path,
                    remedy="Give one of them another id.",
                )  # fmt: skip
            files[rule.id] = path
            rules.append(rule)
    return Loaded(tuple(rules), files)


def add_file(data_dir: Path, source: Path, *, replace: bool = False) -> Sequence[Rule]:
    """Checks a file and takes it into the folder under its own name, whole or not at all.

    UsageError: the file is broken, one of its ids stands in another file, or a file of that name is there and
    `replace` is not set.
    """
    try:
        raw = source.read_bytes()
    except OSError as error:
        raise UsageError(f"The file cannot be read ({error.strerror}).", file=source) from error
    target = rules_folder(data_dir) / f"{source.stem}.yml"
    rules = check_rules(data_dir, raw, target, file=source)
    if target.exists() and not replace and target.resolve() != source.resolve():
        raise UsageError(f"There is a file {target.name} already.", file=source, remedy="Use --replace, or rename it.")
    write_rules(target, raw)
    return rules


def check_rules(data_dir: Path, raw: bytes, target: Path, *, file: Path | str) -> Sequence[Rule]:
    """The rules of what is to stand in `target`; messages call it `file`. UsageError: it is broken, holds none, or has
    an id twice or one of another file's."""
    rules = read_yaml(raw, RuleFile, file=file, docs=DOCS).rules
    if not rules:
        raise UsageError("The file holds no rule.", file=file, remedy=f"{DOCS} shows one.")
    ids = [rule.id for rule in rules]
    for rule_id in ids:
        if ids.count(rule_id) > 1:
            raise UsageError(f"The rule {rule_id!r} stands twice.", file=file, remedy="Give one of them another id.")
    known = load_rules(data_dir)
    for rule_id in ids:
        if rule_id in known.files and known.files[rule_id] != target:
            raise UsageError(
                f"The rule {rule_id!r} stands in {known.files[rule_id].name} already.", file=file,
                remedy="Give it another id, or change it there.",
            )  # fmt: skip
    return rules


def write_rules(target: Path, raw: bytes) -> None:
    """Puts a file of rules there, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.write_bytes(raw)
    part.replace(target)
