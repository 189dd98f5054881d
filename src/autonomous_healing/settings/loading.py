"""From file and environment to frozen settings, or to the list of everything that is wrong with them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml
from pydantic import ValidationError

from autonomous_healing.settings.contradictions import contradictions
from autonomous_healing.settings.faults import BadSettings, Fault, faults_of
from autonomous_healing.settings.model import Settings
from autonomous_healing.settings.text import to_yaml

PREFIX = "HEALING__"


def load_settings(path: Path | None, environ: Mapping[str, str], **overrides: Any) -> Settings:
    """Defaults, then the file, then `HEALING__...`, then what the command line says (`server__proxy_port=1`).

    A file that does not exist yet is written with the defaults. Raises `BadSettings`.
    """
    origin = str(path) if path else "defaults"
    tree = _defaults()
    if path is not None:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(to_yaml(Settings()), encoding="utf-8")
        _merge(tree, _read(path))
    for name, value in _from_environment(environ):
        _put(tree, name, value)
    for name, value in overrides.items():
        if value is not None:
            _put(tree, name.split("__"), value)
    return _validated(tree, origin)


def _defaults() -> dict[str, Any]:
    return Settings().model_dump(mode="json", by_alias=True)


def _validated(tree: Mapping[str, Any], origin: str) -> Settings:
    try:
        # By way of JSON, where strict types still take a list for a tuple and 5 for 5.0.
        settings = Settings.model_validate_json(msgspec.json.encode(tree))
    except ValidationError as error:
        raise BadSettings(origin, faults_of(error, Settings)) from None
    if faults := contradictions(settings):
        raise BadSettings(origin, faults)
    return settings


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key given twice is an error and not a silent loss."""


def _mapping(loader: _UniqueKeys, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is given twice", key_node.start_mark
            )
        seen.add(key)
    return dict(loader.construct_pairs(node, deep=True))


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        read = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except (yaml.YAMLError, UnicodeDecodeError) as wrong:
        raise BadSettings(
            str(path), [Fault("(whole file)", f"not YAML: {' '.join(str(wrong).split())}")]
        ) from None
    if read is None:
        return {}
    if not isinstance(read, dict):
        raise BadSettings(str(path), [Fault("(whole file)", "sections are expected, such as `server:`")])
    return read


def _merge(tree: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Mappings are merged key by key; anything else replaces what was there."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = value


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[Sequence[str], Any]]:
    for name, value in environ.items():
        if name.startswith(PREFIX):
            try:
                yield name.removeprefix(PREFIX).lower().split("__"), yaml.safe_load(value)
            except yaml.YAMLError:
                raise BadSettings(
                    "environment", [Fault(name, f"{value!r} cannot be read as a value")]
                ) from None


def _put(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        inner = tree.setdefault(part, {})
        if not isinstance(inner, dict):
            tree[part] = inner = {}
        tree = inner
    tree[path[-1]] = value
