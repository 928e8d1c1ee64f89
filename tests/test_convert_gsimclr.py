"""G-SimCLR's zip files become runs, one a member."""

import json
import zipfile

import gsimclr_files as official
import hash_weights
import numpy as np
import pytest

from ssl_tf import convert, evaluator
from ssl_tf.errors import BadInput

FORWARD = hash_weights.arrays("cifar_simclr_forward")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with the authors' zip files, as far as their layout is known."""
    folder = tmp_path_factory.mktemp("models")
    rows = official.layout("cifar_simclr")
    official.write_h5(folder / "a.h5", rows)
    official.write_h5(folder / "b.h5", official.layout("cifar_ae"), model=True)
    with zipfile.ZipFile(folder / "CIFAR10.zip", "w") as archive:
        for name in ("gsimclr_cifar10", "vanilla_simclr_cifar10"):
            archive.write(folder / "a.h5", f"CIFAR10/{name}.h5")
        archive.write(folder / "b.h5", "CIFAR10/autoencoder_cifar10.h5")
        archive.writestr("__MACOSX/CIFAR10/._autoencoder_cifar10.h5", b"\0")
    return folder


def converted(models, tmp_path, *names):
    places = ["--models", str(models), "--runs", str(tmp_path)]
    assert convert.main([*names, *places]) == 0
    runs = [path.parent for path in tmp_path.rglob("certificate.json")]
    return {run.parts[-3]: run for run in runs}


def test_every_member_becomes_a_run_with_the_authors_outputs(models, tmp_path):
    names = (
        "gsimclr_cifar10",
        "gsimclr_cifar10_vanilla",
        "gsimclr_cifar10_autoencoder",
    )
    found = converted(models, tmp_path, *names)
    assert set(found) == {"gsimclr", "simclr", "autoencoder"}
    images = hash_weights.images(0, (8, 32, 32, 3))
    for name in ("gsimclr", "simclr"):
        levels = evaluator.Run(found[name]).method.representations(images)
        assert official.close(levels["z"], FORWARD["infer_z"])
    certificate = json.loads((found["gsimclr"] / "certificate.json").read_text())
    assert certificate["parameters"] == 1_226_482 and certificate["arrays"] == 234
    assert certificate["layers_with_equal_wiring"] == 0  # it holds no model


def test_the_autoencoders_certificate_covers_its_decoder(models, tmp_path):
    run = converted(models, tmp_path, "gsimclr_cifar10_autoencoder")["autoencoder"]
    certificate = json.loads((run / "certificate.json").read_text())
    assert certificate["parameters"] == 335_747
    assert certificate["layers_with_equal_wiring"] == 13
    answer = certificate["probe"]["outputs"][0]
    assert answer["values"] == 32 * 32 * 3
    method = evaluator.Run(run).method
    image = np.random.RandomState(20210107).rand(1, 32, 32, 3).astype(np.float32)
    np.testing.assert_allclose(answer["first"], np.ravel(method(image))[:5], rtol=1e-4)


def test_a_file_for_the_wrong_entry_leaves_nothing_behind(models, tmp_path):
    given = [str(models / "b.h5"), "--from", "keras_h5", "--runs", str(tmp_path)]
    wrong = ["--to", "gsimclr", "cifar_resnet38", "--dataset", "cifar10"]
    with pytest.raises(BadInput, match="of another architecture"):
        convert.main([*given, *wrong])
    assert not list(tmp_path.rglob("*"))
