import gzip
import hashlib

import numpy as np
import pytest

from meishi.adding import AddError, add_photos
from meishi.data.importers import downloading
from meishi.data.importers.downloading import DownloadError, download
from meishi.data.importers.locating import local_path
from meishi.data.sources import SourceError, verified_scenes
from meishi.params import FetchParams, SourceParams
from tests.exports import EDGES_PX, picture, write, write_zip
from tests.served import Served, serving

CONTENT = np.random.default_rng(0).bytes(200_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2
WEIGHTS = "data/weights/efficientnet_lite0.npz"


@pytest.fixture(autouse=True)
def _hasty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(downloading, "WAIT_S", 0.0)


@pytest.fixture
def served():
    with serving(Served(CONTENT)) as found:
        yield found


def partials():
    return sorted(path.name for path in downloading.DOWNLOADS.rglob(".*"))


def kill_half_way(served, digest=SHA256):
    """Leave what a killed run leaves: half of the file."""
    served.cuts += [HALF, *[0] * downloading.ATTEMPTS]
    with pytest.raises(DownloadError, match="the download failed 5 times"):
        download(served.url, digest)
    served.cuts.clear()
    served.asked.clear()


@pytest.mark.parametrize("digest", [SHA256, ""])
def test_a_file_comes_whole_under_its_name(served, digest):
    file = download(served.url, digest)
    assert file.read_bytes() == CONTENT and file.name == "desk.zip"
    assert file.is_relative_to("build/downloads") and partials() == []


@pytest.mark.parametrize("digest", [SHA256, ""])
@pytest.mark.parametrize("cuts", [[], [HALF // 2]])
def test_what_a_server_packs_unasked_is_unpacked(served, digest, cuts):
    served.content, served.coding, served.cuts = gzip.compress(CONTENT), "gzip", cuts
    assert download(served.url, digest).read_bytes() == CONTENT
    assert partials() == []


def test_a_packed_file_stays_what_it_is_though_a_server_calls_it_so(served):
    served.content, served.coding = gzip.compress(CONTENT), "x-gzip"
    served.url = served.url.replace("desk.zip", "desk.tar.gz")
    digest = hashlib.sha256(served.content).hexdigest()
    assert download(served.url, digest).read_bytes() == served.content


def test_a_file_of_the_stated_sha256_is_not_asked_for_again(served):
    download(served.url, SHA256)
    download(served.url, SHA256)
    assert len(served.asked) == 1


def test_a_link_that_is_signed_anew_goes_on_and_is_the_same_file(served):
    kill_half_way(served)
    assert download(f"{served.url}?signature=2", SHA256).read_bytes() == CONTENT
    assert served.asked == [(f"bytes={HALF}-", '"v1"')]
    download(f"{served.url}?signature=3", SHA256)
    assert len(served.asked) == 1


def test_a_file_that_came_without_a_sha256_is_taken_once_it_is_stated(served):
    assert download(served.url) == download(served.url, SHA256)
    assert len(served.asked) == 1


def test_a_file_without_sha256_is_downloaded_anew(served):
    download(served.url)
    served.content, served.tag = CONTENT[:500], '"v2"'
    assert download(served.url).read_bytes() == CONTENT[:500]


def test_a_damaged_file_of_an_earlier_run_is_replaced(served):
    download(served.url, SHA256).write_bytes(b"damaged")
    assert download(served.url, SHA256).read_bytes() == CONTENT


def test_a_cut_connection_goes_on_where_it_was_cut(served):
    served.cuts.append(HALF)
    assert download(served.url, SHA256).read_bytes() == CONTENT
    assert served.asked == [(None, None), (f"bytes={HALF}-", '"v1"')]


@pytest.mark.parametrize("digest", [SHA256, ""])
def test_a_killed_run_is_resumed_by_the_next(served, digest):
    kill_half_way(served, digest)
    assert download(served.url, digest).read_bytes() == CONTENT
    assert served.asked == [(f"bytes={HALF}-", '"v1"')] and partials() == []


def test_a_date_names_the_version_when_the_etag_is_weak(served):
    served.tag, served.date = 'W/"1"', "Mon, 02 Nov 2026 10:00:00 GMT"
    kill_half_way(served)
    assert download(served.url, SHA256).read_bytes() == CONTENT
    assert served.asked == [(f"bytes={HALF}-", served.date)]


def test_parts_of_two_versions_are_not_joined(served):
    kill_half_way(served, "")
    served.content, served.tag = CONTENT[::-1], '"v2"'
    assert download(served.url).read_bytes() == CONTENT[::-1]


def test_without_a_version_only_the_sha256_allows_to_go_on(served):
    served.tag = ""
    kill_half_way(served, "")
    assert download(served.url).read_bytes() == CONTENT
    assert served.asked == [(None, None)]


def test_parts_that_do_not_fit_are_downloaded_once_more(served):
    served.tag = ""
    kill_half_way(served)
    next(downloading.DOWNLOADS.rglob(".*.partial")).write_bytes(b"x" * HALF)
    assert download(served.url, SHA256).read_bytes() == CONTENT
    assert served.asked == [(f"bytes={HALF}-", None), (None, None)]


def test_a_server_that_ignores_ranges_sends_it_again(served):
    served.ranges = False
    kill_half_way(served)
    assert download(served.url, SHA256).read_bytes() == CONTENT


def test_a_file_that_was_whole_but_not_renamed_is_taken(served):
    kill_half_way(served)
    next(downloading.DOWNLOADS.rglob(".*.partial")).write_bytes(CONTENT)
    assert download(served.url, SHA256).read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(served):
    kill_half_way(served)
    next(downloading.DOWNLOADS.rglob(".*.partial")).write_bytes(CONTENT * 2)
    assert download(served.url, SHA256).read_bytes() == CONTENT


def test_a_server_that_never_sends_more_is_given_up(served):
    served.cuts += [HALF, *[0] * 20]
    with pytest.raises(DownloadError, match=rf"failed 5 times: .*; {HALF} bytes are kept"):
        download(served.url, SHA256)
    assert len(served.asked) == 6 and not list(downloading.DOWNLOADS.rglob("desk.zip"))


def test_a_cut_without_a_stated_size_is_found_by_the_sha256(served):
    served.sized = False
    served.cuts.append(HALF)
    with pytest.raises(DownloadError, match="wrong sha256"):
        download(served.url, SHA256)
    assert download(served.url, SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(served, status):
    served.statuses += [status, status]
    assert download(served.url, SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_told_at_once(served, status):
    served.statuses.append(status)
    with pytest.raises(DownloadError, match=rf"desk\.zip: the server answers {status} "):
        download(served.url, SHA256)
    assert len(served.asked) == 1


def test_another_sha256_is_refused_with_both_and_nothing_is_kept(served):
    with pytest.raises(DownloadError, match=f"wrong sha256: expected {'0' * 64}, got {SHA256}"):
        download(served.url, "0" * 64)
    assert not list(downloading.DOWNLOADS.rglob("*desk.zip*.partial"))
    assert not list(downloading.DOWNLOADS.rglob("desk.zip"))


def test_a_web_page_is_no_file(served):
    served.kind = "text/html; charset=utf-8"
    with pytest.raises(DownloadError, match="a web page, not a file"):
        download(served.url, SHA256)


def test_a_server_that_is_not_there_is_named_without_what_may_be_secret():
    with pytest.raises(DownloadError) as caught:
        download("http://bob:pass@127.0.0.1:9/desk.zip?key=hidden", SHA256)
    assert "http://127.0.0.1:9/desk.zip: the download failed" in str(caught.value)
    assert "hidden" not in str(caught.value) and "pass" not in str(caught.value)


def test_a_redirection_is_followed(served):
    url = served.url.replace("desk.zip", "moved/ds?key=1")
    assert download(url, SHA256).name == "ds"


@pytest.mark.parametrize("name", ["a/..", "", "%2e%2e%2fx.zip", ".hidden.zip", "\u00fc.zip"])
def test_no_name_leads_out_of_the_folder(served, name):
    file = download(served.url.replace("desk.zip", name), SHA256)
    assert file.parent.parent == downloading.DOWNLOADS and not file.name.startswith(".")


def labelled(folder):
    value = {
        "imagePath": "a.jpg",
        "imageWidth": 160,
        "imageHeight": 120,
        "shapes": [{"label": "card", "points": EDGES_PX.tolist()}],
    }
    return write_zip(folder / "desk.zip", {"a.json": value, "a.jpg": picture()})


def test_a_file_url_is_a_path_of_this_disk(tmp_path):
    file = write(tmp_path / "a b", {"x.zip": b"1"}) / "x.zip"
    digest = hashlib.sha256(b"1").hexdigest()
    assert local_path(file.as_uri(), digest) == file
    assert local_path(str(file), digest.upper()) == file
    assert local_path(file.parent.as_uri()) == file.parent


@pytest.mark.parametrize(
    ("path", "digest", "words"),
    [
        ("file://server/x.zip", "", "expected file:///FOLDER/FILE"),
        ("s3://bucket/x.zip", "", "s3:// is not fetched"),
        ("x.zip", "ab", "sha256: expected 64 hexadecimal digits, got ab"),
        ("x.zip", "0" * 64, "x.zip: wrong sha256: expected 000"),
        (".", "0" * 64, "this is a folder"),
    ],
)
def test_what_is_not_the_stated_file_is_refused(tmp_path, path, digest, words):
    write(tmp_path, {"x.zip": b"1"})
    with pytest.raises(DownloadError, match=words):
        local_path(path, digest)


def fetched(source):
    params = FetchParams((SourceParams("tiny", "data"), source), WEIGHTS, WEIGHTS)
    return [record for record, _ in verified_scenes(params)]


@pytest.mark.parametrize("name", ["desk.zip", "ds?key=1"])
def test_fetch_reads_an_export_of_a_server(data, served, name):
    served.content = labelled(data.parent).read_bytes()
    url = served.url.replace("desk.zip", name)
    digest = hashlib.sha256(served.content).hexdigest()
    assert fetched(SourceParams("mine", url, "labelme", (), digest))[-1].id.startswith("mine-a-")


def test_fetch_reads_a_file_url(data):
    url = labelled(data.parent).resolve().as_uri()
    assert len(fetched(SourceParams("mine", url, "labelme"))) == 19


def test_fetch_asks_for_the_sha256_of_a_url_and_says_it(data, served):
    served.content = labelled(data.parent).read_bytes()
    digest = hashlib.sha256(served.content).hexdigest()
    with pytest.raises(SourceError, match=f"'mine': sha256: a URL needs it; .* has {digest}"):
        fetched(SourceParams("mine", served.url, "labelme"))


def test_fetch_tells_every_fault_of_every_source_at_once(data, served):
    served.statuses.append(404)
    sources = (
        SourceParams("a", served.url, "coco"),
        SourceParams("b", "gone.zip", "coco"),
        SourceParams("tiny", "data"),
    )
    with pytest.raises(SourceError) as caught:
        list(verified_scenes(FetchParams(sources, WEIGHTS, WEIGHTS)))
    for words in ("answers 404", "gone.zip: no such"):
        assert words in str(caught.value)


def test_what_params_alone_show_is_told_before_any_source_is_read(data, served):
    served.statuses.append(404)
    sources = (
        SourceParams("a", served.url, "coco"),
        SourceParams("c", served.url),
        SourceParams("tiny", "data", sha256="0" * 64),
    )
    with pytest.raises(SourceError) as caught:
        list(verified_scenes(FetchParams(sources, WEIGHTS, WEIGHTS)))
    for words in ("faults: 2\n", "'c': path: meishi", "'tiny': sha256: man"):
        assert words in str(caught.value)
    assert served.statuses == [404]  # nobody asked


def test_photos_of_a_server_are_added_and_their_sha256_is_said(tmp_path, served):
    served.content = labelled(tmp_path).read_bytes()
    digest = hashlib.sha256(served.content).hexdigest()
    into, sheet = tmp_path / "photos", tmp_path / "sheet.jpg"
    lines = add_photos(served.url, "labelme", [], into, "CC0-1.0", sheet, digest)
    assert any(line.endswith(f"sha256 {digest}") for line in lines)
    assert served.url in (into / "manifest.json").read_text()


def test_a_download_that_is_no_archive_is_refused(tmp_path, served):
    served.content = b"not a zip"
    with pytest.raises(AddError, match=r"desk\.zip: no sound zip"):
        add_photos(served.url, "coco", [], tmp_path / "photos", "", tmp_path / "s.jpg")
