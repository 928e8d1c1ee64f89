"""Configs: find a YAML, load it strictly, choose a variant, override a value."""

import copy
import hashlib
import json
import re
from pathlib import Path

import yaml

from ssl_tf.errors import BadInput, unknown

REQUIRED = ("method", "backbone", "data", "views", "optimizer", "train")
SECTIONS = (*REQUIRED, "init", "evaluations", "paper", "needs", "variants")

SIZES = {"ti", "tiny", "small", "base"}  # words of names that are no kind of network


def home():
    """The folder that holds `configs/` and `models/`.

    That is the package itself where it was installed from a wheel, else the checkout.
    """
    package = Path(__file__).resolve().parent
    return package if (package / "configs").is_dir() else package.parent


def checkpoints():
    """Where `convert` keeps what it downloads: `models/` of the checkout, or here."""
    installed = home() == Path(__file__).resolve().parent
    return Path("models") if installed else home() / "models"


INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
TAG = "tag:yaml.org,2002:"
CORE = (  # the core schema of YAML 1.2: tag, what a plain scalar of it looks like
    ("merge", re.compile("<<"), "<"),
    ("null", re.compile("~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("bool", re.compile("true|True|TRUE|false|False|FALSE"), "tTfF"),
    ("int", INT, "-+0123456789"),
    ("float", FLOAT, "-+.0123456789"),
)
MOST_NODES = 100_000


class StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML 1.2's core schema, merge keys included; a key may stand only once.

    `010` is ten, `1e-4` a number, `1:30`, `yes` and dates are text.
    """

    yaml_implicit_resolvers = {}
    yaml_constructors = {
        tag: constructor
        for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix(TAG) in ("null", "bool", "str", "seq")
    }


class Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1 or 1.2 would read as something else."""

    yaml_implicit_resolvers = {
        key: list(rows) for key, rows in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }


for name, pattern, first in CORE:
    for kind in (StrictLoader, Dumper):
        whole = re.compile(rf"(?:{pattern.pattern})\Z")
        kind.add_implicit_resolver(TAG + name, whole, list(first))


def unique_mapping(loader, node):
    """A mapping; an explicit key twice is an error, a merged one gives way."""
    merged = TAG + "merge"
    keys = [
        "<<" if key.tag == merged else loader.construct_object(key, deep=True)
        for key, _ in node.value
    ]
    twice = sorted({str(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise BadInput(f"line {node.start_mark.line + 1}: key {twice[0]!r} twice.")
    return loader.construct_mapping(node, deep=True)


def number(loader, node):
    """The int or float of a scalar; what is tagged as one must look like one."""
    found = number_of(loader.construct_scalar(node))
    if found is None or (node.tag == TAG + "int" and isinstance(found, float)):
        line = node.start_mark.line + 1
        raise BadInput(f"line {line}: {node.value!r} is no number.")
    return found


def number_of(text):
    """The int or float that a plain scalar is, or `None`."""
    if INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return None


StrictLoader.add_constructor(TAG + "map", unique_mapping)
StrictLoader.add_constructor(TAG + "int", number)
StrictLoader.add_constructor(TAG + "float", number)


def parsed(text, where):
    """The plain value of YAML text, aliases written out.

    Raises:
        BadInput: not YAML, a key twice, a tag beyond the core schema, nested too
            deeply, or aliases that stand for more than `MOST_NODES` values.
    """
    try:
        return unshared(yaml.load(text, Loader=StrictLoader), iter(range(MOST_NODES)))
    except RecursionError:
        raise BadInput(f"{where}: is nested too deeply.") from None
    except (yaml.YAMLError, ValueError) as error:  # BadInput among them
        raise BadInput(f"{where}: {' '.join(str(error).split())}") from None


def unshared(value, room):
    """A copy in which no two places are one object, so that `override` changes one."""
    if next(room, None) is None:
        raise BadInput(f"holds more than {MOST_NODES:,} values, aliases written out.")
    if isinstance(value, dict):
        return {key: unshared(item, room) for key, item in value.items()}
    if isinstance(value, list):
        return [unshared(item, room) for item in value]
    return value


def read_yaml(path):
    """The plain value in a YAML file; BadInput names file and line of a mistake."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({error}).") from None
    return parsed(text, path)


def methods():
    """Names of the methods that have at least one config."""
    kinds, place = {"groupings", "hierarchy", "evidence", "ledger"}, home() / "configs"
    if not place.is_dir():
        raise BadInput(
            f"{place}: is missing; install ssl_tf with pip, or run it in its checkout."
        )
    return sorted(
        folder.name
        for folder in place.iterdir()
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
        raise BadInput(unknown("--method: unknown name", method, methods()))
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


def nearest(method, arch, dataset):
    """The config of a method for a data set and the architecture nearest to one.

    Args:
        method: str, a folder of `configs/`.
        arch: str or `None`; see `find`.
        dataset: str or `None`; see `find`.

    Returns:
        `(path, None)` of the one that `find` finds; where there is none, `(path,
        arch)` of that whose architecture has most words of its name in common with
        `arch`, and of several the nearest first number.

    Raises:
        BadInput: see `find`; the method has no config of the data set.
    """
    named = None not in (arch, dataset) and method in methods()
    beside = [s for s in settings(method) if s[2] == dataset] if named else []
    if not beside or arch in [setting[1] for setting in beside]:
        return find(method, arch, dataset), None

    def distance(setting):
        ours, theirs = (
            re.findall(r"[a-z]+|\d+", x.lower()) for x in (setting[1], arch)
        )
        words = {x for x in ours if x.isalpha()} & set(theirs) - SIZES
        number = lambda parts: int(next((x for x in parts if x.isdigit()), 0))
        return -len(words), abs(number(ours) - number(theirs))

    return min(beside, key=distance)[3], arch


def backbones(arch):
    """`[(method, data set, backbone section)]` of the configs of an architecture."""
    return [
        (method, dataset, read_yaml(path)["backbone"])
        for method, name, dataset, path in settings()
        if name == arch
    ]


def load(path, variant=None, overrides=(), change=None):
    """Reads a config, applies a variant and then `a.b=c` overrides.

    Args:
        path: YAML file.
        variant: str or `None`, a key of the file's `variants`, or several joined by
            "+", applied in this order.
        overrides: iterable of `"dotted.key=value"`, whose value is YAML, or of
            `(dotted key, value)`, whose value is taken as it is.
        change: sections -> sections, between variant and overrides, or `None`.

    Returns:
        dict of sections, without `variants`.

    Raises:
        BadInput: see the message.
    """
    spec = sections(read_yaml(path), path)
    variants = spec.pop("variants", None) or {}
    for name in variant.split("+") if variant is not None else ():
        if name not in variants:
            raise BadInput(unknown("--variant: unknown name", name, variants))
        if not isinstance(variants[name], dict):
            raise BadInput(f"{path}: variants.{name}: must be a mapping.")
        for key, value in variants[name].items():
            override(spec, key, value, f"variants.{name}")
    spec = change(spec) if change is not None else spec
    for given in overrides:
        override(spec, *(pair(given) if isinstance(given, str) else given), "--set")
    return sections(spec, path)


def sections(spec, path):
    """`spec` if it has the sections of a config, each a mapping, with text as keys."""
    if not isinstance(spec, dict):
        raise BadInput(f"{path}: is not a mapping of sections.")
    for name in spec:
        if name not in SECTIONS:
            raise BadInput(unknown(f"{path}: unknown section", name, SECTIONS))
    for name in REQUIRED:
        if name not in spec:
            raise BadInput(f"{path}: section {name!r} is missing.")
    for name, section in spec.items():
        if not isinstance(section, list if name == "views" else dict) and (
            name in REQUIRED or section is not None
        ):
            kind = "a list" if name == "views" else "a mapping"
            raise BadInput(f"{path}: {name}: is {section!r}; must be {kind}.")
    written(spec, path)
    return spec


def written(value, where):
    """Raises BadInput if a value could not be written as YAML and read again."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise BadInput(f"{where}: key {key!r} is no text; put it in quotes.")
            written(item, f"{where}: {key}")
    elif isinstance(value, list):
        for item in value:
            written(item, where)
    elif isinstance(value, str) and not value.isprintable():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadInput(f"{where}: {value!r} is no UTF-8.") from None


def pair(text):
    """`("a.b", value)` of `--set`'s `a.b=value`; the value is YAML."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise BadInput(f"--set {text}: write --set section.key=value.")
    return key.strip(), parsed(value, f"--set {text}")


def override(spec, dotted, value, where):
    """Writes one value into nested sections and lists, in place."""
    *path, last = dotted.split(".")
    if (path or [last])[0] not in SECTIONS:
        what = f"{where} {dotted}: unknown section"
        raise BadInput(unknown(what, (path or [last])[0], SECTIONS))
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
    if not re.fullmatch("[0-9]+", step) or int(step) >= len(items):
        raise BadInput(f"{where}: {step!r} is not a position in {len(items)} items.")
    return int(step)


def dump(spec):
    """The YAML text of a config, keys in order."""
    options = {"sort_keys": False, "allow_unicode": True, "width": 88}
    return yaml.dump(spec, Dumper=Dumper, **options)


def scalar(text):
    """A text as it must stand in YAML, quoted where it has to be."""
    return (
        yaml.dump(text, Dumper=Dumper, default_flow_style=True, width=10**9)
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
