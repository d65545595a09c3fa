"""Loading YAML into pydantic models, with file and line in every message.

Only `true` and `false` are booleans (so that `no`, the code of Norway, stays text), a key given twice is an error, and
a file above `MAX_BYTES` is refused. Errors are `UsageError` (exit code 2).
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from config.errors import UsageError

MAX_BYTES = 2_000_000

ModelT = TypeVar("ModelT", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """SafeLoader that keeps duplicate keys from passing in silence, and says where a value is none of its tag."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(None, None, f"this is no {kind}", node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"the key {key.value!r} stands twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def _line_of(root: yaml.Node | None, loc: tuple[int | str, ...]) -> int | None:
    """Line (from 1) of the deepest node that `loc` leads to."""
    node = root
    line = None if root is None else root.start_mark.line + 1
    for part in loc:
        following: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value == str(part):
                    following, line = value, key.start_mark.line + 1
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            following = node.value[part]
            line = following.start_mark.line + 1 if following is not None else line
        if following is None:  # a missing key, or the name of a union member that pydantic adds to the path
            continue
        node = following
    return line


def find_line(path: Path, *loc: int | str) -> int | None:
    """Line (from 1) of what `loc` leads to in a file that `load_yaml` has read: for what only other files show to be
    wrong."""
    loader = _Loader(path.read_text(encoding="utf-8-sig"))
    try:
        return _line_of(loader.get_single_node(), loc)
    finally:
        loader.dispose()


def find_problems(error: ValidationError) -> list[tuple[tuple[int | str, ...], str]]:
    """(where, what is wrong) of each problem; a mistyped key first, for it explains a missing one."""
    problems = error.errors(include_url=False, include_context=False)
    problems.sort(key=lambda problem: problem["type"] not in ("extra_forbidden", "unknown_key"))
    return [
        (
            problem["loc"],
            "there is no such key" if problem["type"] == "extra_forbidden"
            else problem["msg"].removeprefix("Value error, "),
        )
        for problem in problems
    ]  # fmt: skip


def load_yaml(path: Path, model: type[ModelT], *, docs: str = "docs/crawling.md") -> ModelT:
    """The file as `model`. Raises UsageError naming file, line and what to do; `docs` describes the keys."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"The file cannot be read ({error.strerror}).", file=path) from error
    return read_yaml(raw, model, file=path, docs=docs)


def read_yaml(raw: bytes, model: type[ModelT], *, file: Path | str, docs: str = "docs/crawling.md") -> ModelT:
    """The same of the content of a file; `file` is what messages call it."""
    if len(raw) > MAX_BYTES:
        raise UsageError(f"The file has {len(raw)} bytes; the limit is {MAX_BYTES}.", file=file)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError("This is not UTF-8 text.", file=file, line=line, remedy="Save the file as UTF-8.") from error
    try:
        node, data = parse_yaml(text)
        data = {} if node is None else data
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UsageError(
            f"This is not valid YAML: {error.problem or error.context}.",
            file=file,
            line=None if mark is None else mark.line + 1,
            remedy="Check the indentation, quotes and colons there.",
        ) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"The character U+{error.character:04X} cannot stand in YAML."
        raise UsageError(problem, file=file, line=line, remedy="Take it out.") from error
    except RecursionError as error:
        problem = "This is not valid YAML: its parts are nested too deeply."
        raise UsageError(problem, file=file, remedy="Check the brackets.") from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        (first, said), *rest = find_problems(error)
        name = ".".join(str(part) for part in first) or "the file"
        others = sorted({".".join(str(part) for part in loc) for loc, _ in rest})
        more = f" (Also: {', '.join(others[:5])}.)" if others else ""
        raise UsageError(
            f"{name}: {said}.{more}",
            file=file,
            line=_line_of(node, first),
            remedy=f"Correct the value there; {docs} describes every key.",
        ) from error


def parse_yaml(text: str) -> tuple[yaml.Node | None, Any]:
    """The nodes of a text with their places, and what it says, by the same rules. Raises yaml.YAMLError, and
    RecursionError where it is nested too deeply."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return node, None if node is None else loader.construct_document(node)
    except ValueError as error:  # a code of no character in a quoted text
        raise yaml.scanner.ScannerError(None, None, str(error), loader.get_mark()) from error
    finally:
        loader.dispose()
