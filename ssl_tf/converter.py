"""A foreign checkpoint becomes a run: built without data, filled, proven, written."""

import json
import os
import shutil
import sys
import zlib
from pathlib import Path

import numpy as np

from ssl_tf import config, experiment, opening, runs
from ssl_tf.errors import BadInput
from ssl_tf.weights import (
    checksums,
    files,
    filling,
    scatsimclr,
    self_classifier,
    trunks,
)

PROBE = 20210107  # seed of the image in the certificate
TAKEN = ("sha256", "format", "key", "part", "prefix")  # what names the weights of a run


def convert(
    spec,
    folder,
    file,
    form,
    *,
    key=None,
    part=None,
    prefix=None,
    origin=None,
    notes=None,
):
    """Writes a run folder with the weights of a file, or leaves nothing behind.

    Args:
        spec: sections, from `config.load`.
        folder: the run folder, from `runs.folder`.
        file: path of the checkpoint.
        form: see `files.read`.
        key: see `files.read`.
        part, prefix: see `filling.fill`.
        origin: dict noted in `environment.json`: the config's file and variant.
        notes: dict for the certificate: where the file comes from.

    Returns:
        whether it was written now; `False` if just this was there before.

    Raises:
        BadInput: the config needs its data first, the file does not fit the model (all
            misfits are listed), or the folder holds something else.
    """
    folder, file = Path(folder), Path(file)
    files.recognise(file)
    spec = self_classifier.settled(as_the_file_tells(spec, file, form, key, prefix))
    parts = experiment.check(spec)
    source = {"name": file.name, "sha256": checksums.digest(file), "format": form}
    taken = {"key": key, "part": part, "prefix": prefix}
    source |= {name: value for name, value in taken.items() if value is not None}
    if folder.exists():
        same(folder, spec, source)
        return False
    method = built(parts, spec)
    source |= {"bytes": file.stat().st_size, **(notes or {})}
    filled, told = filling.fill(method, file, form, key, part, prefix)
    certificate = {"file": source, **told, "parameters": method.count_params()}
    certificate["probe"] = probe(filled, experiment.view_size(parts))
    contents = {
        "data": facts(parts, method),
        "environment": runs.environment(**(origin or {})),
        "certificate": certificate,
    }
    write(folder, spec, method, contents)
    return True


def as_the_file_tells(spec, file, form, key, prefix=None):
    """A config with what its file alone can know, said on stderr.

    That is J, L and the head's widths of ScatSimCLR, for the published numbers disagree
    about L; and the scale of attention that timm's ImageNet ViT was trained with.

    Raises:
        BadInput: the file is of another network than the config names.
    """
    if form == "torch" and spec["method"].get("name") == "scatsimclr":
        return scattering(spec, file, form, key, prefix)
    backbone = spec["backbone"]
    transformer = backbone.get("name") in ("vit", "vit_small_timm048")
    if form not in ("torch", "safetensors") or not transformer:
        return spec
    arrays = filling.begun(files.read(file, form, key), prefix)
    if backbone.get("scale") == "width" or not trunks.scaled_by_width(arrays):
        return spec
    print(
        f"{file}: is timm's ImageNet ViT of width 768, trained with the scale of the "
        "width; backbone.scale = width",
        file=sys.stderr,
    )
    return spec | {"backbone": backbone | {"scale": "width"}}


def scattering(spec, file, form, key, prefix):
    """See `as_the_file_tells`."""
    try:
        arrays = filling.begun(files.read(file, form, key), prefix)
        told = scatsimclr.settings(arrays)
    except BadInput as error:
        raise BadInput(f"{file}: {str(error).removeprefix(f'{file}: ')}") from None
    backbone = dict(spec["backbone"])
    if backbone.get("name") != told.backbone["name"]:
        raise BadInput(
            f"{file}: holds {told.backbone['name']}, the config names "
            f"{backbone.get('name')}; convert it to the config of its own network."
        )
    spec = spec | {
        "backbone": backbone | told.backbone,
        "method": spec["method"] | {"head": told.head},
    }
    given = ", ".join(f"{k} = {v}" for k, v in told.backbone.items() if k != "name")
    print(f"{file}: {told.backbone['name']} {given}, head {told.head}", file=sys.stderr)
    return spec


def same(folder, spec, source):
    """Raises BadInput unless the folder holds the run that `convert` would write."""
    place = folder / "certificate.json"
    if not ((folder / "last.weights.h5").exists() and place.exists()):
        raise BadInput(
            f"{folder}: is there, but is no finished conversion; remove it or choose "
            "another --name."
        )
    try:
        certificate = json.loads(place.read_text(encoding="utf-8"))
        kept_file = certificate["file"]
        given = {key: kept_file.get(key) for key in TAKEN}
        kept = certificate["weights_sha256"]
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{place}: is damaged; remove the folder.") from None
    keys = config.differences(runs.stored(folder), spec)
    if given != {key: source.get(key) for key in given}:
        keys.append("checkpoint")
    if kept != checksums.digest(folder / "last.weights.h5"):
        keys.append("last.weights.h5")
    if keys:
        raise BadInput(
            f"{folder}: holds a run with another {', '.join(keys[:8])}; choose another "
            "--name or remove the folder."
        )


def built(parts, spec):
    """The method of a config, on as many classes as its data set is known to have."""
    classes, size = experiment.class_count(parts), experiment.view_size(parts)
    missing = "number of classes" if classes is None else "size of its images"
    if classes is None or size is None or opening.derived(parts.method):
        raise BadInput(
            f"config: {spec['data']['name']} does not fix the {missing} or the groups "
            "before it is read; write them into the config."
        )
    method = opening.settle_groups(parts.method, None, None)
    return experiment.build(parts, method, classes, size)


def probe(model, size):
    """What a model answers to one fixed random image, to be compared elsewhere.

    The numbers agree across machines to about five digits, `crc32` on one machine.
    """
    image = np.random.RandomState(PROBE).rand(1, size, size, 3).astype(np.float32)
    every = getattr(model, "outputs", None)
    answers = every(image) if callable(every) else [model(image)]
    outputs = [np.ravel(np.asarray(x, np.float32)[0]) for x in answers]
    rounded = lambda x: float(f"{x:.6g}")
    return {
        "image": f"numpy.random.RandomState({PROBE}).rand(1, {size}, {size}, 3)",
        "outputs": [
            {
                "values": len(x),
                "argmax": int(x.argmax()),
                "mean": rounded(x.mean()),
                "deviation": rounded(x.std()),
                "first": [rounded(value) for value in x[:5]],
            }
            for x in outputs
        ],
        "crc32": f"{zlib.crc32(np.concatenate(outputs).tobytes()):08x}",
    }


def facts(parts, method):
    """`data.json`, as far as it is known without the images."""
    normal, norm = None, parts.data.norm
    if norm not in ("mean_std", "saturated"):
        normal = opening.normalisation(norm, None)
    return {
        "name": experiment.name_of(parts),
        "classes": class_names(parts),
        "size": experiment.view_size(parts),
        "resize": parts.data.resize,
        "mean": normal and list(normal.mean),
        "deviation": normal and list(normal.deviation),
        "images": {},
        "groups": [list(groups) for groups in getattr(method, "groups", ())],
        "parameters": method.count_params(),
    }


def class_names(parts):
    """Class names in label order: those a grouping of the data set lists, sorted."""
    if parts.data.classes is not None:
        return list(parts.data.classes)
    count, name = experiment.class_count(parts), experiment.name_of(parts)
    places = config.home() / "configs" / "groupings"
    for path in sorted(places.glob(f"{name}_*.yaml")):
        groups = config.read_yaml(path)["groups"].values()
        names = sorted(str(member) for members in groups for member in members)
        if len(names) == count:
            return names
    return [str(label) for label in range(count)]


def write(folder, spec, method, contents):
    """Writes a run folder under another name, then gives it its own."""
    temporary = folder.with_name(f".{folder.name}.{runs.unique()}.tmp")
    try:
        temporary.mkdir(parents=True)
        with runs.atomic(temporary / "config.yaml") as out:
            out.write(config.dump(spec).encode())
        runs.save_weights(method, temporary, "last")
        weights = checksums.digest(temporary / "last.weights.h5")
        contents["certificate"]["weights_sha256"] = weights
        for name, content in contents.items():
            runs.write_json(temporary / f"{name}.json", content)
        os.rename(temporary, folder)
        runs.sync_folder(folder.parent)
    except OSError as error:
        raise runs.unwritable(folder, error) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def told(folder, written):
    """Prints what came out, and what to do with it."""
    if not written:
        print(f"{folder}: done already.", file=sys.stderr)
        return
    certificate = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    wired = certificate["layers_with_equal_wiring"]
    first = "knn" if "part" in certificate["file"] else "terms"
    proof = f", the wiring of {wired} layers is ours" if wired else ""
    used = certificate["arrays"] - certificate.get("left_out", 0)
    print(
        f"{folder}: {certificate['parameters']:,} parameters from "
        f"{used} arrays{proof}.\n"
        f"next: python -m ssl_tf.evaluate {folder} {first} --datadir DIR",
        file=sys.stderr,
    )
