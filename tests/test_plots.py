"""Figures of papers from run folders."""

from pathlib import Path

from ssl_tf import figures, plots, runs


def run(root, method, setting, losses):
    folder = Path(root) / method / setting / "seed0"
    folder.mkdir(parents=True)
    rows = [{"epoch": i + 1, "loss": loss} for i, loss in enumerate(losses)]
    runs.write_history(folder, rows)
    return folder


def test_the_similarity_is_minus_the_loss_beside_the_studys_curves(
    tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(figures, "save", lambda figure, path: drawn.append(figure))
    folder = run(tmp_path, "simsiam", "resnet18_digits", [-0.25, -0.5])
    plots.similarity([folder], tmp_path / "x.png")
    lines = {line.get_label(): line for line in drawn[0].axes[0].get_lines()}
    assert lines["simsiam/resnet18_digits"].get_ydata().tolist() == [0.25, 0.5]
    assert lines["ViT, study"].get_ydata()[-1] == 0.80
    assert len(lines) == 5


def test_without_simsiam_nothing_is_drawn(tmp_path):
    folder = run(tmp_path, "simclr", "resnet18_digits", [4.0, 3.0])
    assert plots.similarity([folder], tmp_path / "x.png") is None
    assert not (tmp_path / "x.png").exists()
