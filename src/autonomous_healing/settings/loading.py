"""From file and environment to frozen settings, or to the list of everything that is wrong with them."""

import copy
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml
from pydantic import ValidationError

from autonomous_healing.settings.contradictions import contradictions
from autonomous_healing.settings.faults import BadSettings, Fault, faults_of
from autonomous_healing.settings.model import Settings
from autonomous_healing.settings.text import to_yaml
from autonomous_healing.settings.tokens import exposed_tokens, tokens_in

PREFIX = "HEALING__"

#: Levels of a file; the settings themselves have six.
DEEPEST = 100


def load_settings(path: Path | None, environ: Mapping[str, str], **overrides: Any) -> Settings:
    """Defaults, then the file, then `HEALING__...`, then what the command line says (`server__proxy_port=1`).

    Raises `BadSettings`, also for a file that is not there.
    """
    origin = str(path) if path else "defaults"
    variables = dict(_from_environment(environ))
    document, exposed = _document(path, environ, variables, overrides)
    try:
        settings = _validated(document, origin)
    except BadSettings as bad:
        told = [fault.path for fault in exposed]
        faults = [*exposed, *(fault for fault in bad.faults if fault.path not in told)]
        raise BadSettings(origin, [_traced(fault, variables) for fault in faults]) from None
    if exposed:
        raise BadSettings(origin, [_traced(fault, variables) for fault in exposed])
    return settings


def _document(
    path: Path | None, environ: Mapping[str, str], variables: Mapping[str, Any], overrides: Mapping[str, Any]
) -> tuple[bytes, list[Fault]]:
    """All of it as JSON, where strict types still take a list for a tuple and 5 for 5.0; and tokens in it.

    What the file was read into is gone afterwards: of thousands of sources, its memory would stay behind in
    pieces.
    """
    tree = _tree(path, variables, overrides)
    exposed = list(exposed_tokens(tree))
    _add_tokens(tree, tokens_in(environ))
    return msgspec.json.encode(tree), exposed


def _tree(path: Path | None, variables: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    tree = _defaults()
    if path is not None:
        _merge(tree, _parsed(path, _text_of(path)))
    for variable, value in variables.items():
        _put(tree, _path_of(variable), value)
    for name, value in overrides.items():
        if value is not None:
            _put(tree, name.split("__"), value)
    return tree


def _add_tokens(tree: Mapping[str, Any], more: Sequence[Mapping[str, Any]]) -> None:
    """To those of the file; what stands there in the place of a list is told later."""
    auth = tree.get("auth")
    if isinstance(auth, dict) and isinstance(auth.get("tokens"), list):
        auth["tokens"] = [*auth["tokens"], *more]


def _defaults() -> dict[str, Any]:
    return Settings().model_dump(mode="json", by_alias=True)


def _validated(document: bytes, origin: str) -> Settings:
    try:
        settings = Settings.model_validate_json(document)
    except ValidationError as error:
        found = faults_of(error, Settings)
        beside = _contradictions_beside(msgspec.json.decode(document), error, found)
        raise BadSettings(origin, [*found, *beside]) from None
    if faults := contradictions(settings):
        raise BadSettings(origin, faults)
    return settings


def _contradictions_beside(
    tree: Mapping[str, Any], error: ValidationError, found: Sequence[Fault]
) -> list[Fault]:
    """What else cannot stand together, with defaults in place of what is wrong by itself."""
    settings = _mended(tree, error)
    if settings is None:
        return []
    told = [fault.path for fault in found]
    return [
        fault for fault in contradictions(settings) if not any(fault.path.startswith(one) for one in told)
    ]


def _mended(tree: Mapping[str, Any], error: ValidationError) -> Settings | None:
    """With defaults in place of what is wrong; None where that does not help."""
    mended = copy.deepcopy(dict(tree))
    # What has no default, such as a host, goes with the part around it.
    for up in range(3):
        for finding in error.errors(include_url=False):
            place = finding["loc"]
            _put_default(mended, place[: max(1, len(place) - up)])
        try:
            return Settings.model_validate_json(msgspec.json.encode(mended))
        except ValidationError as left:
            error = left
    return None


def _put_default(tree: dict[str, Any], path: Sequence[str | int]) -> None:
    """The default at that path, or nothing where there is none; a faulty list goes as a whole."""
    default: Any = _defaults()
    for n, part in enumerate(path):
        default = default.get(part) if isinstance(default, dict) else None
        inner = tree.get(str(part))
        if n == len(path) - 1 or not isinstance(inner, dict):
            if default is None:
                tree.pop(str(part), None)
            else:
                tree[str(part)] = default
            return
        tree = inner


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key given twice is an error and not a silent loss."""


class _QuickUniqueKeys(yaml.CSafeLoader):
    """The same in C: ten thousand sources in a second, but vague about what is wrong and where."""


def _mapping(loader: yaml.SafeLoader | yaml.CSafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(None, None, "this is no key", key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is given twice", key_node.start_mark
            )
        seen.add(key)
    return dict(loader.construct_pairs(node, deep=True))


for _loader in (_UniqueKeys, _QuickUniqueKeys):
    _loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def write_if_absent(path: Path) -> None:
    """Put a complete configuration with the defaults there. Raises `BadSettings` where it cannot."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(to_yaml(Settings()), encoding="utf-8")
    except OSError as wrong:
        raise BadSettings(str(path), [Fault("(whole file)", f"cannot be written: {wrong}")]) from None


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise BadSettings(str(path), [Fault("(whole file)", f"cannot be read: {wrong}")]) from None


def _parsed(path: Path, text: str) -> Mapping[str, Any]:
    try:
        read = _read(text)
    except (yaml.YAMLError, RecursionError) as wrong:
        raise BadSettings(str(path), [Fault("(whole file)", f"not YAML: {_told(wrong)}")]) from None
    if read is None:
        return {}
    if not isinstance(read, dict):
        raise BadSettings(str(path), [Fault("(whole file)", "sections are expected, such as `server:`")])
    return read


def _read(text: str) -> Any:
    """Raises `YAMLError` and `RecursionError`."""
    try:
        _check_depth(text)
        return yaml.load(text, Loader=_QuickUniqueKeys)
    except yaml.YAMLError:
        return yaml.load(text, Loader=_UniqueKeys)


def _check_depth(text: str) -> None:
    """Left to itself, the C library goes down until the stack ends, and the process with it."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise RecursionError


def _told(wrong: Exception) -> str:
    """What and where, without the line itself, which may hold a secret."""
    if isinstance(wrong, yaml.MarkedYAMLError) and wrong.problem_mark is not None:
        return f"line {wrong.problem_mark.line + 1}: {wrong.problem or wrong.context}"
    return "nested too deeply" if isinstance(wrong, RecursionError) else " ".join(str(wrong).split())


def _merge(tree: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Mappings are merged key by key; anything else replaces what was there."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = value


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for name, value in environ.items():
        if name.startswith(PREFIX):
            try:
                yield name, yaml.safe_load(value)
            except yaml.YAMLError:
                raise BadSettings("environment", [Fault(name, "cannot be read as a value")]) from None


def _path_of(variable: str) -> Sequence[str]:
    return variable.removeprefix(PREFIX).lower().split("__")


def _traced(fault: Fault, variables: Iterable[str]) -> Fault:
    """With the variables that set this place or a part of it, where people would look in the file."""
    place = f"{fault.path}."
    paths = {name: ".".join(_path_of(name)) + "." for name in variables}
    names = [name for name, path in paths.items() if path.startswith(place) or place.startswith(path)]
    return Fault(fault.path, f"{fault.message} (set by {', '.join(names)})") if names else fault


def _put(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        inner = tree.setdefault(part, {})
        if not isinstance(inner, dict):
            tree[part] = inner = {}
        tree = inner
    tree[path[-1]] = value
