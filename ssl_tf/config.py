"""Configs: find a YAML, load it strictly, choose a variant, override a value."""

import copy
import hashlib
import json
import sys
from pathlib import Path

import yaml

from ssl_tf.errors import BadInput, have

REQUIRED = ("method", "backbone", "data", "views", "optimizer", "train")
SECTIONS = (*REQUIRED, "init", "evaluations", "paper", "needs", "variants")


def home():
    """The folder that holds `configs/` and `models/`: the checkout, or the install."""
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "configs").is_dir():
        return checkout
    return Path(sys.prefix) / "share" / "ssl_tf"


class StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Safe YAML in which a key may stand only once."""


def unique_mapping(loader, node, deep=False):
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = sorted({str(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise BadInput(f"line {node.start_mark.line + 1}: key {twice[0]!r} twice.")
    return loader.construct_mapping(node, deep=True)


StrictLoader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, unique_mapping
)


def read_yaml(path):
    """The plain value in a YAML file; BadInput names file and line of a mistake."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        return yaml.load(text, Loader=StrictLoader)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({error}).") from None
    except (yaml.YAMLError, BadInput) as error:
        raise BadInput(f"{path}: {' '.join(str(error).split())}") from None


def methods():
    """Names of the methods that have at least one config."""
    kinds = {"groupings", "hierarchy", "evidence", "ledger"}
    return sorted(
        folder.name
        for folder in (home() / "configs").iterdir()
        if folder.is_dir() and folder.name not in kinds and any(folder.glob("*.yaml"))
    )


def settings(method=None):
    """`[(method, arch, dataset, path)]` of every config, sorted."""
    found = []
    for name in methods() if method is None else [method]:
        for path in sorted((home() / "configs" / name).glob("*.yaml")):
            found.append((name, *split_stem(path.stem), path))
    return found


def split_stem(stem):
    """`wrn28_10_cifar100` -> `("wrn28_10", "cifar100")`."""
    if stem.endswith("_tiny_imagenet"):
        return stem.removesuffix("_tiny_imagenet"), "tiny_imagenet"
    arch, _, dataset = stem.rpartition("_")
    return arch, dataset


def find(method, arch=None, dataset=None):
    """The one config of a method for an architecture and a data set.

    Args:
        method: str, a folder of `configs/`.
        arch: str or `None`, the first part of the file name.
        dataset: str or `None`, the last part of the file name.

    Raises:
        BadInput: none matches, or several do; the message lists what there is.
    """
    if method not in methods():
        raise BadInput(f"--method: unknown name {method!r}. Have: {have(methods())}.")
    every = settings(method)
    fits = [
        setting
        for setting in every
        if arch in (None, setting[1]) and dataset in (None, setting[2])
    ]
    if len(fits) == 1:
        return fits[0][3]
    wanted = " ".join(
        f"--{key} {value}"
        for key, value in (("arch", arch), ("dataset", dataset))
        if value is not None
    )
    listed = "; ".join(f"--arch {a} --dataset {d}" for _, a, d, _ in fits or every)
    if fits:
        raise BadInput(f"--method {method} {wanted}: several configs: {listed}.")
    raise BadInput(f"--method {method} {wanted}: no such config. Have: {listed}.")


def load(path, variant=None, overrides=()):
    """Reads a config, applies a variant and then `a.b=c` overrides.

    Args:
        path: YAML file.
        variant: str or `None`, a key of the file's `variants`, or several joined by
            "+", applied in this order.
        overrides: iterable of `"dotted.key=value"`; the value is YAML.

    Returns:
        dict of sections, without `variants`.

    Raises:
        BadInput: see the message.
    """
    spec = read_yaml(path)
    if not isinstance(spec, dict):
        raise BadInput(f"{path}: is not a mapping of sections.")
    for name in spec:
        if name not in SECTIONS:
            raise BadInput(f"{path}: unknown section {name!r}. Have: {have(SECTIONS)}.")
    for name in REQUIRED:
        if name not in spec:
            raise BadInput(f"{path}: section {name!r} is missing.")
    variants = spec.pop("variants", None) or {}
    for name in variant.split("+") if variant is not None else ():
        if name not in variants:
            raise BadInput(f"--variant: unknown name {name!r}. Have: {have(variants)}.")
        for key, value in variants[name].items():
            override(spec, key, value, f"variants.{name}")
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise BadInput(f"--set {text}: write --set section.key=value.")
        override(spec, key.strip(), value_of(value, f"--set {text}"), "--set")
    return spec


def value_of(text, where):
    """The plain value that a piece of YAML stands for."""
    try:
        return yaml.load(text, Loader=StrictLoader)
    except (yaml.YAMLError, BadInput) as error:
        raise BadInput(f"{where}: {' '.join(str(error).split())}") from None


def override(spec, dotted, value, where):
    """Writes one value into nested sections and lists, in place."""
    *path, last = dotted.split(".")
    if (path or [last])[0] not in SECTIONS:
        raise BadInput(
            f"{where} {dotted}: unknown section {(path or [last])[0]!r}. "
            f"Have: {have(SECTIONS)}."
        )
    here = spec
    for step in path:
        if isinstance(here, dict) and here.get(step, 0) is None:
            here[step] = {}
        here = descend(here, step, f"{where} {dotted}")
    if isinstance(here, list):
        here[position(here, last, f"{where} {dotted}")] = copy.deepcopy(value)
    elif isinstance(here, dict):
        here[last] = copy.deepcopy(value)
    else:
        raise BadInput(f"{where} {dotted}: {path[-1]!r} is not a section.")


def descend(here, step, where):
    if isinstance(here, list):
        return here[position(here, step, where)]
    if isinstance(here, dict):
        return here.setdefault(step, {})
    raise BadInput(f"{where}: nothing below {here!r}.")


def position(items, step, where):
    if not step.isdigit() or int(step) >= len(items):
        raise BadInput(f"{where}: {step!r} is not a position in {len(items)} items.")
    return int(step)


def dump(spec):
    """The YAML text of a config, keys in order."""
    return yaml.safe_dump(spec, sort_keys=False, allow_unicode=True, width=88)


def scalar(text):
    """A text as it must stand in YAML, quoted where it has to be."""
    return (
        yaml.safe_dump(text, default_flow_style=True, width=10**9)
        .split("\n...")[0]
        .strip()
    )


def digest(spec):
    """Twelve hex digits that name the content of a config, whatever its key order."""
    text = json.dumps(spec, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def flatten(spec, prefix=""):
    """`{"a.b.0.c": value}` of nested sections and lists."""
    if isinstance(spec, dict):
        items = spec.items()
    elif isinstance(spec, (list, tuple)):
        items = enumerate(spec)
    else:
        return {prefix.rstrip("."): spec}
    flat = {} if spec else {prefix.rstrip("."): spec}
    for key, value in items:
        flat |= flatten(value, f"{prefix}{key}.")
    return flat


def differences(ours, theirs):
    """Dotted keys whose values differ, sorted."""
    a, b = flatten(ours), flatten(theirs)
    return sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))
