"""The device model: it recovers a known law, orders chips and times, and owns up to its errors."""

import numpy as np
import pytest

from meishi.evaluation import device_model
from meishi.evaluation.device_figures import CHIPS, ISOLATED, LIVE, SINGLE_IMAGE, Published
from meishi.evaluation.device_model import DeviceModel, estimate, fit, held_out_errors

LAW = DeviceModel((0.2, 0.4, 3.0), 0.8, (6.0, 1.5), 9.0)
NETS = {"ssd": {"dense": 2e8, "depthwise": 1e7}, "unet": {"dense": 1e8, "depthwise": 0.0}}


def lawful(count=12, single=False):
    rng = np.random.default_rng(4)
    rows = []
    for place in range(count):
        chip = list(CHIPS)[place % len(CHIPS)]
        dense, depthwise = float(rng.uniform(0.1, 4)), float(rng.uniform(0, 0.1))
        ms = LAW.isolated_ms(chip, dense, depthwise)
        ms = LAW.single_image_ms(ms) if single else ms
        rows.append(Published(f"net{place}", chip, dense, depthwise, ms, "made up"))
    return rows


def test_figures_that_follow_the_law_give_it_back():
    found = fit(lawful(), lawful(single=True))
    assert found.isolated == pytest.approx(LAW.isolated, rel=1e-6)
    assert found.exponent == pytest.approx(LAW.exponent)
    assert found.single == pytest.approx(LAW.single, rel=1e-6)


def test_no_coefficient_is_negative_even_where_figures_fall_with_the_work():
    rows = [Published(f"n{k}", "A16", k, 0.0, 3.0 - k / 2, "made up") for k in range(1, 5)]
    assert min(fit(rows).isolated) >= 0


def test_a_held_out_net_leaves_with_all_its_figures(monkeypatch):
    seen = []
    whole = device_model.fit

    def spied(isolated=ISOLATED, single=SINGLE_IMAGE, live=LIVE):
        seen.append((isolated, single, live))
        return whole(isolated, single, live)

    monkeypatch.setattr(device_model, "fit", spied)
    errors = held_out_errors()
    assert len(seen) == len(ISOLATED) + len(SINGLE_IMAGE) + len(LIVE)
    for row, known in zip((*ISOLATED, *SINGLE_IMAGE, *LIVE), seen, strict=True):
        assert row.net not in {other.net for kind in known for other in kind}
    assert errors["isolated"]["figures"] == len(ISOLATED)
    assert all(0 < kind["mean"] <= kind["largest"] for kind in errors.values())


def test_figures_of_a_perfect_law_have_no_error(monkeypatch):
    monkeypatch.setattr(device_model, "ISOLATED", lawful())
    assert held_out_errors()["isolated"]["largest"] == pytest.approx(0.0, abs=0.1)


def test_each_chip_has_three_times_that_grow_and_a_capture_is_the_sum():
    found = estimate(NETS, {"ssd": 5, "unet": 4})
    assert found["kind"] == "modelled, not measured"
    assert list(found["chips"]) == list(CHIPS)
    for parts in found["chips"].values():
        for times in parts.values():
            alone, single, live = (times[k]["ms"] for k in ("isolated", "single_image", "live"))
            assert alone < single < live
            assert times["live"]["fps"] <= 30.0
        total = 5 * parts["ssd"]["isolated"]["ms"] + 4 * parts["unet"]["isolated"]["ms"]
        assert parts["capture"]["isolated"]["ms"] == pytest.approx(total, abs=0.05)


def test_a_newer_chip_is_never_slower():
    times = [
        parts["ssd"]["isolated"]["ms"] for parts in estimate(NETS, {"ssd": 1})["chips"].values()
    ]
    assert times == sorted(times, reverse=True) and times[0] > times[-1]


def test_every_figure_names_its_source():
    for row in (*ISOLATED, *SINGLE_IMAGE, *LIVE):
        assert row.source.startswith("https://")


def test_the_document_tells_the_errors_of_this_model(root):
    text = (root / "docs" / "speed.md").read_text(encoding="utf-8")
    table = text.split("<!-- errors -->")[1].split("<!-- /errors -->")[0]
    for kind, error in held_out_errors().items():
        row = f"| {kind.replace('_', ' ')} | {error['mean']} % | {error['largest']} % |"
        assert row in table
