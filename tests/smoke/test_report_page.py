"""The report, opened in headless Chromium as a file."""

import json
import re
import shutil
from pathlib import Path

import pytest

from meishi.report import pictures
from meishi.report.page import write_report
from tests import toy_repository
from tests.conftest import ROOT

pytestmark = pytest.mark.smoke

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium and no Chrome on the PATH")
# With every file there is to draw.
CHARTS = {
    "variants",
    "train_ssd",
    "train_unet",
    "train_flat",
    "precision_recall",
    "capture_iou",
    "corner_error",
    "slices",
    "sizes",
    "speed",
    "processor",
    "devices",
    "size_quality",
}
CARD = """# Detector

<!-- Written by a program -->

![The flow](docs/flow.png)

| a | b |
|---|---|
| 1 | 2 |

See [the notes](docs/notes.md), <script>alert(1)</script> and [outside](https://example.org).
"""


@pytest.fixture(scope="module")
def report(toy_made, tmp_path_factory):
    """A report of two revisions, with everything that may be in it."""
    toy = toy_repository.copy(toy_made, tmp_path_factory.mktemp("report") / "toy")
    (toy / "MODEL_CARD.md").write_text(CARD)
    (toy / "docs").mkdir()
    shutil.copy(next((toy / "plots" / "overlays").iterdir()), toy / "docs" / "flow.png")
    toy_repository.commit(toy, capture__score_threshold="0.45")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(toy)
        patch.setenv("DVC_SITE_CACHE_DIR", str(toy.parent / "site-cache"))
        missing = write_report(Path("build/report"), "HEAD~1")
    assert missing == []
    return toy / "build" / "report"


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(params=[1400, 390], ids=["wide", "phone"])
def page(browser, report, request):
    """The page when every chart is drawn, with what it logged and asked for."""
    opened = browser.new_page(viewport={"width": request.param, "height": 900})
    opened.logged, opened.asked = [], []
    opened.on("console", lambda message: opened.logged.append(message.text))
    opened.on("pageerror", lambda error: opened.logged.append(str(error)))
    opened.on("request", lambda asked: opened.asked.append(asked.url))
    opened.goto((report / "index.html").as_uri())
    drawn = "[...document.querySelectorAll('.chart')].every(chart => chart.dataset.drawn)"
    opened.wait_for_function(drawn, timeout=60_000)
    yield opened
    opened.close()


@needs_browser
def test_every_chart_is_drawn_and_nothing_is_complained_of(page):
    found = page.eval_on_selector_all(
        ".chart",
        """charts => charts.map(chart => [chart.id, chart.querySelectorAll(
            "svg .role-mark :is(path, text)[d], svg .role-mark path").length,
            chart.getBoundingClientRect().width, chart.querySelector("svg").clientHeight])""",
    )
    assert {name.removeprefix("chart-") for name, *_ in found} == CHARTS
    for name, marks, width, height in found:
        assert marks > 0 and width > 200 and height > 80, name
    assert page.logged == []


@needs_browser
def test_nothing_is_asked_for_outside_of_the_folder(page, report):
    outside = [url for url in page.asked if not url.startswith((report.as_uri(), "data:", "blob:"))]
    assert page.asked and outside == []


@needs_browser
def test_the_page_is_no_wider_than_the_window(page):
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window


@needs_browser
def test_every_picture_is_there(page):
    broken = page.eval_on_selector_all(
        "img", "images => images.filter(image => !image.naturalWidth).map(image => image.src)"
    )
    assert broken == []
    assert page.locator("img").count() == 2 * 4 + 1


def test_the_table_compares_with_the_base(report):
    html = (report / "index.html").read_text()
    assert '<th class="number">HEAD~1</th>' in html
    row = re.search(r"<tr><td>capture: quad IoU, mean.*?</tr>", html, re.S).group(0)
    metrics = json.loads((ROOT / "metrics" / "evaluate.json").read_text())
    before = metrics["capture"]["iou_mean"]
    after = 0.95 * before  # as the stand-in has it, 0.05 away from its best threshold
    shown = [f"{before:.3f}", f"{after:.3f}", f"{after - before:+.3f} worse"]
    assert re.findall(r"[+-]?\d\.\d{3}(?: worse)?", row) == shown


def test_the_specifications_hold_no_number_that_is_none(report):
    html = (report / "index.html").read_text()
    specs = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', html)
    assert len(specs) == len(CHARTS)
    for spec in specs:
        json.loads(spec, parse_constant=lambda name: pytest.fail(name))


def test_the_model_card_is_shown_with_its_pictures_and_without_scripts(report):
    html = (report / "index.html").read_text()
    card = html.split('id="model-card"')[1]
    assert '<img src="card/flow.png"' in card and (report / "card" / "flow.png").is_file()
    assert "<script>alert" not in card and "Written by a program" not in card
    assert 'href="https://example.org"' in card and "docs/notes.md" not in card


def test_a_picture_of_another_kind_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overlays = tmp_path / "plots" / "overlays"
    overlays.mkdir(parents=True)
    (overlays / "me.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"expected NN-KIND-SCENE.jpg.*\['me.jpg'\]"):
        pictures.captures(tmp_path, None)


def test_a_report_says_what_it_could_not_show(toy_made, tmp_path):
    toy = toy_repository.copy(toy_made, tmp_path / "toy")
    shutil.rmtree(toy / "plots" / "overlays")
    (toy / "metrics" / "slices.json").unlink()
    (toy / "plots" / "capture_iou.csv").unlink()
    shown = toy_repository.run("python -m meishi.cli report", toy)
    for missing in ("plots/capture_iou.csv", "plots/overlays", "metrics/slices.json"):
        assert f"not in the report: {missing}" in shown
        assert missing in (toy / "build" / "report" / "index.html").read_text()


def test_metrics_that_are_missing_leave_the_old_report(toy_made, tmp_path):
    toy = toy_repository.copy(toy_made, tmp_path / "toy")
    toy_repository.run("mkdir -p build/report && echo old > build/report/index.html", toy)
    (toy / "metrics" / "latency.json").unlink()
    with pytest.raises(AssertionError, match="metrics/latency.json: not in workspace; run"):
        toy_repository.run("python -m meishi.cli report", toy)
    assert (toy / "build" / "report" / "index.html").read_text() == "old\n"
