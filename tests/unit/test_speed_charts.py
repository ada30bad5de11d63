"""The charts of speed: measured and modelled apart, and none without figures."""

import pytest

from meishi.evaluation.device_model import estimate
from meishi.report import cost_charts

TIMES = {"fps": 10.0, "p50_ms": 100.0, "p95_ms": 110.0}
NETWORKS = ("ssd", "unet", "flat", "direction")
HOST = {"cpu": "Some CPU", "cores": 2, "tensorflow": "2"}


class Metrics:
    """A snapshot of metrics/."""

    def __init__(self, **files):
        self.files = files

    def metrics(self, name):
        return self.files[name]

    def text(self, path):
        return "there" if path.stem in self.files else ""


def measured(*parts, **extra):
    both = {label: TIMES | extra for label in ("one_thread", "all_cores")}
    return {"host": HOST} | {part: {"frozen_pb": both, "tflite": both} for part in parts}


def rows(drawing):
    (data,) = drawing.chart.to_dict()["datasets"].values()
    return data


def test_whole_captures_are_drawn_where_they_were_timed():
    alone = cost_charts.speed(Metrics(latency=measured("ssd", "unet")))
    photo = measured("flat", "capture") | {"host": HOST | {"cpu": "Another"}}
    times = Metrics(latency=measured("ssd", "unet", "live"), latency_photo=photo)
    whole = cost_charts.speed(times)
    assert {row["network"] for row in rows(alone)} == {"SSD", "U-Net"}
    captures = {"preview frame, four cards", "photo, four cards"}
    assert {row["network"] for row in rows(whole)} == {"SSD", "U-Net", "flat U-Net", *captures}
    assert whole.caption.startswith("Measured: Some CPU") and "no figure" in whole.caption
    assert "Flat U-Net and photo: Another, 2 cores" in whole.caption
    assert "photo" not in alone.caption


def test_processor_time_is_drawn_in_milliseconds_or_not_at_all():
    assert cost_charts.processor(Metrics(latency=measured("ssd", "unet"))) is None
    drawing = cost_charts.processor(Metrics(latency=measured("ssd", "unet", cpu_s=0.25)))
    assert [row["ms"] for row in rows(drawing)] == [250.0] * 4


@pytest.mark.parametrize(("networks", "parts"), [(("ssd", "unet"), 3), (NETWORKS, 5)])
def test_modelled_times_say_so_and_carry_their_error(networks, parts):
    assert cost_charts.devices(Metrics()) is None
    nets = {name: {"dense": 1e8, "depthwise": 1e6} for name in networks}
    modelled = estimate(nets, {"ssd": 13, "unet": 8})
    drawing = cost_charts.devices(Metrics(devices=modelled))
    assert "modelled" in drawing.title and "nothing here was measured" in drawing.caption
    assert f"live {modelled['error_pct']['live']['mean']:.0f} %" in drawing.caption
    found = {(row["chip"], row["part"], row["time"]): row["ms"] for row in rows(drawing)}
    assert len(found) == 7 * 3 * parts
    expected = modelled["chips"]["A14"]["ssd"]["single_image"]["ms"]
    assert found["A14", "SSD", "single image"] == pytest.approx(expected)


def test_the_variants_of_all_networks_are_drawn_and_the_caption_counts_no_two():
    table = {
        name: {"model": name, "bytes": 1e6, "target": "iOS15", "capture": {"iou_mean": 0.9}}
        for name in NETWORKS
    }
    drawing = cost_charts.variants(Metrics(variants=table, ship={}))
    assert {row["network"] for row in rows(drawing)} == {"SSD", "U-Net", "flat U-Net", "direction"}
    assert "the others are the float32 ones" in drawing.caption and "both" not in drawing.title


def test_each_variant_has_a_line_and_a_name_of_its_own_by_network_and_size():
    def variant(model, size):
        return {"model": model, "bytes": size, "target": "iOS16", "capture": {"iou_mean": 0.9}}

    table = {
        "unet_fp16": variant("unet", 2e6),
        "unet_int8": variant("unet", 1.5e6),
        "ssd_fp16": variant("ssd", 3e6),
    }
    ship = {"CardDetector": {"variant": "ssd_fp16"}}
    drawing = cost_charts.variants(Metrics(variants=table, ship=ship))
    found = [(row["variant"], row["state"].split(",")[0]) for row in rows(drawing)]
    assert found == [
        ("ssd_fp16, 3.00 MB", "shipped"),
        ("unet_int8, 1.50 MB", "not shipped"),
        ("unet_fp16, 2.00 MB", "not shipped"),
    ]
    lines = drawing.chart.to_dict()["layer"][0]["encoding"]["y"]
    assert (lines["field"], lines["sort"]) == ("variant", None)


def test_without_variants_there_is_no_chart_of_them():
    assert cost_charts.variants(Metrics(variants={}, ship={})) is None
    assert cost_charts.variants(Metrics(ship={})) is None
