"""ScatSimCLR's files become runs; what a file holds decides, not what it is called."""

import json

import given
import numpy as np
import pytest
import scatsimclr_files as official

from ssl_tf import config, convert, evaluator
from ssl_tf.errors import BadInput

GOLDEN = given.golden("scatsimclr", "models")


def command(tmp_path, arch, dataset="stl10", *more):
    given = [str(tmp_path / "model_final.pth"), "--from", "torch", "--to", "scatsimclr"]
    return [*given, arch, "--dataset", dataset, "--runs", str(tmp_path / "runs"), *more]


@pytest.fixture
def file(tmp_path):
    """ScatSimCLR8 with L = 4 for 32 pixels, where the config says 16."""
    rows = official.layout("scatsimclr8_J2_L4_32x32x3_out128")
    official.write(tmp_path / "model_final.pth", official.state(rows, 32, 2, 4))
    return tmp_path / "model_final.pth"


def test_a_file_decides_on_its_angles(tmp_path, file, capsys):
    sized = ["--set", "views.0.size=32", "data.fit=squash"]
    assert convert.main(command(tmp_path, "scatsimclr8", "stl10", *sized)) == 0
    assert "J = 2, L = 4, head [2048, 128]" in capsys.readouterr().err
    (run,) = [path.parent for path in tmp_path.rglob("certificate.json")]
    certificate = json.loads((run / "certificate.json").read_text())
    assert certificate["arrays"] == 133
    assert config.read_yaml(run / "config.yaml")["backbone"]["L"] == 4
    method = evaluator.Run(run).method
    levels = method.representations(GOLDEN["x"].transpose(0, 2, 3, 1))
    for level, theirs in (("features", "h"), ("z", "z")):
        wanted = GOLDEN[f"scatsimclr8_J2_L4_{theirs}_eval"]
        np.testing.assert_allclose(levels[level], wanted, atol=1e-4)


def test_a_file_of_another_network_leaves_nothing_behind(tmp_path, file):
    with pytest.raises(BadInput, match="holds scatsimclr8, the config names scatsim"):
        convert.main(command(tmp_path, "scatsimclr30"))
    assert not (tmp_path / "runs").exists()


def test_a_file_for_other_images_leaves_nothing_behind(tmp_path, file):
    with pytest.raises(BadInput, match="for images of another size") as caught:
        convert.main(command(tmp_path, "scatsimclr8"))  # STL-10 at 96 pixels
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("certificate.json"))
