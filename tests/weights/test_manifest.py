"""The list of official checkpoints: complete, and strict about what it says."""

import pytest

from ssl_tf import config, convert
from ssl_tf.errors import BadInput
from ssl_tf.weights import manifest

GOOD = {
    "method": "ssal",
    "arch": "wrn28_10",
    "dataset": "cifar100",
    "format": "keras_h5",
    "file": "a.h5",
    "licence": "none stated",
    "paper": {},
    "urls": ["https://example.org/a.h5"],
}


def entries(tmp_path, **changes):
    section = {k: v for k, v in (GOOD | changes).items() if v != "absent"}
    path = tmp_path / "manifest.yaml"
    path.write_text(config.dump({"one": section}))
    return manifest.load(path)


def test_the_eight_files_of_ssal_are_listed():
    found = manifest.load()
    ours = [entry for entry in found.values() if entry.dataset in ("cifar100",)]
    assert len(ours) == 6 and {entry.format for entry in ours} == {"keras_h5"}
    torch = {entry.file for entry in found.values() if entry.format == "torch"}
    assert {"resnet50_baseline.pth", "resnet50_ssal.pth"} < torch
    assert len({(e.file, e.variant) for e in found.values()}) == len(found)


def test_the_members_of_gsimclrs_zip_files_are_listed():
    found = {k: e for k, e in manifest.load().items() if k.startswith("gsimclr")}
    assert len(found) == 6 and all(entry.member for entry in found.values())
    for entry in found.values():
        assert entry.member.rpartition("/")[2] == entry.file
        folder = entry.urls[0].rpartition("/")[2].removesuffix(".zip")
        assert entry.member.rpartition("/")[0] in ("", folder)


@pytest.mark.parametrize("name", manifest.load())
def test_every_entry_names_a_config_of_ours(name):
    entry = manifest.load()[name]
    path = config.find(entry.method, entry.arch, entry.dataset)
    spec = config.load(path, entry.variant)
    saturated = entry.arch in ("wrn28_10", "densenet190")
    assert (spec["data"].get("norm") == "saturated") == saturated
    after = "README" in entry.paper["source"]  # numbers later than the paper's
    for evaluation, numbers in entry.paper.items():
        if evaluation != "source" and not after:
            ours = spec["paper"][evaluation]  # may have those of held-out images, too
            assert numbers.items() <= ours.items()
    assert "terms" in entry.paper or not name.startswith("ssal")


def test_no_two_entries_share_a_run_folder():
    found = manifest.load().values()
    folder = lambda x: (x.method, x.arch, x.dataset, convert.suffix(x, x.variant))
    assert len({folder(entry) for entry in found}) == len(found)


def test_run_all_asks_for_weights_that_are_listed():
    experiments = config.read_yaml(config.home() / "configs" / "run_all.yaml")
    asked = [one.get("weights") for one in experiments["experiments"].values()]
    assert set(filter(None, asked)) <= set(manifest.load())


def test_a_good_entry_loads(tmp_path):
    assert entries(tmp_path)["one"].variant is None
    manual = {"page": "https://example.org", "file": "A (1).h5"}
    assert entries(tmp_path, urls="absent", manual=manual)["one"].manual.page


WRONG = {
    "needs a value for 'arch'": {"arch": "absent"},
    "unknown key 'url'": {"url": "https://example.org"},
    "Have: keras_h5, npz, safetensors, torch": {"format": "pickle"},
    "must be a plain file name": {"file": "../a.h5"},
    "needs either urls or manual": {"urls": "absent"},
    "either urls or manual.": {"manual": {"page": "https://a.org", "file": "b"}},
    "is no http address": {"urls": ["file:///etc/passwd"]},
    "must be 64 hex digits": {"sha256": "abc"},
    "size: is 0": {"size": 0},
}


@pytest.mark.parametrize("told", WRONG)
def test_a_wrong_entry_is_told_in_one_line(tmp_path, told):
    with pytest.raises(BadInput) as caught:
        entries(tmp_path, **WRONG[told])
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_name_lists_what_there_is(tmp_path):
    with pytest.raises(BadInput, match="unknown checkpoint 'two'. Have: one."):
        manifest.find(entries(tmp_path), "two")
