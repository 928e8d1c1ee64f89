"""Pictures of what is there and of what was found."""

import numpy as np
import pytest

from ssl_tf.data.shapes import shapes, within
from ssl_tf.evaluation.coco_ap import encoded
from ssl_tf.evaluation.detection_pictures import pictures
from ssl_tf.evaluation.found import Found


@pytest.fixture(scope="module")
def source():
    return shapes("test", test=3, most=1)


def everything(source, score, masks=True):
    """`Found`: what is there."""
    outlines = [own.polygons[0][0] for own in source.objects]
    runs = encoded([within(outline, (96, 128)) for outline in outlines])
    return Found(
        np.arange(source.size),
        np.concatenate([own.label for own in source.objects]),
        np.full(source.size, score),
        np.concatenate([own.boxes for own in source.objects]),
        runs if masks else None,
    )


def test_images_stand_two_a_row_and_white_fills_the_last(source):
    found = pictures(source, everything(source, 0.9), 3, 0.5)
    assert found["tiles"].shape == (2, 4, 240, 320, 3)
    assert found["headings"].tolist() == ["there", "found", "there", "found"]
    assert (found["tiles"][1, 2:] == 255).all()
    assert (found["tiles"][1, :2] < 255).any(axis=-1).mean() > 0.95  # texts are white


def test_a_perfect_detector_differs_in_its_texts_and_at_outlines_alone(source):
    there, found = pictures(source, everything(source, 0.9), 1, 0.5)["tiles"][0, :2]
    differs = np.abs(there.astype(int) - found).max(axis=-1) > 0
    assert differs.any()  # its score
    assert differs.mean() < 0.05


def test_what_is_not_sure_and_what_has_no_mask_is_not_drawn(source):
    low = pictures(source, everything(source, 0.4), 1, 0.5)["tiles"][0, 1]
    bare = pictures(source, everything(source, 0.9, masks=False), 1, 0.5)["tiles"][0, 1]
    full = pictures(source, everything(source, 0.9), 1, 0.5)["tiles"][0, 1]
    changed = [(low != other).any(axis=-1).mean() for other in (bare, full)]
    (box,) = source.objects[0].boxes * 2.5
    area = np.prod(box[2:] - box[:2]) / (240 * 320)
    assert 0 < changed[0] < changed[1] / 1.5  # lines; lines and what they enclose
    assert changed[1] < 1.5 * area
