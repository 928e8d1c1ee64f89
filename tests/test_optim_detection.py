"""Learning rates of the detection transfer."""

import numpy as np
import pytest
from given import golden

from ssl_tf import schedules

GOLDEN = golden("detection", "lr_schedule")
SETTINGS = {
    "voc": (0.15, 100, [18_000, 22_000], 24_000),
    "coco": (0.1, 1_000, [120_000, 160_000], 180_000),
    "voc_moco": (0.02, 100, [18_000, 22_000], 24_000),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_rates_rise_and_drop_at_the_authors_updates(name):
    peak, warmup, drops, _ = SETTINGS[name]
    schedule = lambda epoch, epochs, steps: schedules.multistep(
        epoch, epochs, steps, warmup, 0.001, drops
    )
    at = GOLDEN[f"iter_{name}"]
    found = schedules.rates(schedule, peak, at, 517, 47)
    np.testing.assert_allclose(found, GOLDEN[f"lr_{name}"], rtol=1e-12)


def test_rates_checkable_in_the_head():
    found = schedules.multistep(
        np.array([0, 0.5, 1, 2, 3]), 4, 2, rise=2, start=0.5, drops=[4, 6]
    )
    np.testing.assert_allclose(found, [0.5, 0.75, 1, 0.1, 0.01])
