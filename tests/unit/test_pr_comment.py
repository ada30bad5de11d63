import pytest
import requests

from meishi.errors import InputError
from meishi.report.comment import put_comment
from meishi.report.markdown import MARK
from tests.github_api import Comments, serving


@pytest.fixture
def github():
    with serving(Comments()) as comments:
        yield comments


@pytest.fixture
def body(tmp_path):
    file = tmp_path / "report.md"
    file.write_text(f"{MARK}\nfigures")
    return file


def put(body, github, token="secret"):
    return put_comment(body, github.url, "o/n", 7, token)


def test_the_first_run_writes_a_comment_to_the_pull_request(body, github):
    assert put(body, github) == "comment written"
    assert github.writes == [("POST", "/repos/o/n/issues/7/comments", "Bearer secret")]
    assert github.there[1]["body"] == f"{MARK}\nfigures"


def test_the_next_run_edits_it(body, github):
    put(body, github)
    body.write_text(f"{MARK}\nother figures")
    assert put(body, github) == "comment 1 brought up to date"
    assert [comment["body"] for comment in github.there.values()] == [f"{MARK}\nother figures"]


def test_it_is_found_on_a_later_page(body, github):
    for _ in range(230):
        github.add("a word")
    number = github.add(f"{MARK}\nold")
    assert put(body, github) == f"comment {number} brought up to date"
    assert len(github.there) == 231


@pytest.mark.parametrize(("text", "kind"), [(f"{MARK}\nmine", "User"), (f"see {MARK}", "Bot")])
def test_another_ones_comment_is_left_alone(body, github, text, kind):
    number = github.add(text, kind)
    assert put(body, github) == "comment written"
    assert github.there[number]["body"] == text


def test_without_a_token_nothing_is_asked_or_written(body, github):
    assert put(body, github, token="").startswith("no comment: there is no token")
    assert github.writes == [] and github.there == {}


@pytest.mark.parametrize("token", ["secret\n", " secret\r\n"])
def test_a_token_that_was_pasted_with_its_line_end_is_taken(body, github, token):
    put(body, github, token=token)
    assert github.writes[0][2] == "Bearer secret"


def test_a_token_that_is_none_is_not_shown(body, github):
    with pytest.raises(InputError, match="letters that no header may hold") as caught:
        put(body, github, token="sec\nret")
    assert "sec" not in str(caught.value) and caught.value.__suppress_context__


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_token_that_may_not_write_is_no_failure(body, github, status):
    github.refuses = status
    assert put(body, github).startswith(f"no comment: the token may not write ({status})")


@pytest.mark.parametrize("status", [500, 502, 422])
def test_another_refusal_is_a_failure_with_its_reason(body, github, status):
    github.refuses = status
    with pytest.raises(InputError, match=f"{status} .*: .*not accessible"):
        put(body, github)


@pytest.mark.parametrize("status", [500, 503])
def test_a_list_that_cannot_be_read_writes_no_second_comment(body, github, status):
    github.fails = status
    with pytest.raises(InputError, match=str(status)):
        put(body, github)
    assert github.writes == []


def test_a_file_that_is_no_report_is_refused(body, github):
    body.write_text("figures")
    with pytest.raises(InputError, match="expected a report that begins with"):
        put(body, github)


def test_a_file_that_is_missing_or_no_text_is_refused(body, github):
    body.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"report\.md: cannot be read: 'utf-8'"):
        put(body, github)
    body.unlink()
    with pytest.raises(InputError, match=r"report\.md: cannot be read: .*No such file"):
        put(body, github)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
@pytest.mark.parametrize("fault", [requests.Timeout, requests.ConnectionError])
def test_a_server_that_does_not_answer_is_named(body, github, monkeypatch, method, fault):
    if method == "PATCH":
        put(body, github)
    whole = requests.Session.request

    def request(self, called, *given, **options):
        if called.upper() == method:
            raise fault("no answer")
        return whole(self, called, *given, **options)

    monkeypatch.setattr(requests.Session, "request", request)
    with pytest.raises(InputError, match=f"{github.url}: does not answer .*: no answer"):
        put(body, github)


def test_a_comment_without_author_or_text_is_left_alone(body, github):
    github.there[1] = {"id": 1, "body": None, "user": {"type": "Bot"}}
    github.there[2] = {"id": 2, "body": f"{MARK}\nold", "user": None}
    assert put(body, github) == "comment written"
