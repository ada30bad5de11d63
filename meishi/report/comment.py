"""One comment on a pull request, kept up to date: the next run edits it instead of adding one."""

from pathlib import Path

import requests

from meishi.errors import InputError
from meishi.report.markdown import MARK

TIMEOUT_S = 30
A_PAGE = 100
# A fork's pull request comes with a token that may read only.
NOT_ALLOWED = (401, 403, 404)


def put_comment(body: Path, api: str, repository: str, number: int, token: str) -> str:
    """Write the comment of a pull request, or edit the one that an earlier run wrote.

    Args:
        body: Markdown that begins with `markdown.MARK`.
        api: address of GitHub's API, such as GITHUB_API_URL has it.
        repository: OWNER/NAME.
        number: of the pull request.
        token: may be "" or one that may read only: nothing is written then.

    Returns:
        What was done, or why not, as a sentence.

    Raises:
        InputError: if `body` cannot be read or is no report, or the API cannot be reached or
            answers with another fault.
    """
    try:
        text = body.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{body}: cannot be read: {error}; `meishi pr-report` writes it"
        ) from error
    if not text.startswith(MARK):
        raise InputError(f"{body}: expected a report that begins with {MARK}")
    token = token.strip()  # a secret that was pasted may end in a new line
    if not token:
        return "no comment: there is no token; the report is in the job's summary"
    try:
        return _put(text, api, repository, number, token)
    except requests.exceptions.InvalidHeader:  # whose text holds the token
        raise InputError("the token has letters that no header may hold; set it anew") from None
    except requests.RequestException as error:
        raise InputError(f"{api}: does not answer as GitHub's API does: {error}") from error


def _put(text: str, api: str, repository: str, number: int, token: str) -> str:
    session = requests.Session()
    session.headers.update(
        {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    )
    comments = f"{api}/repos/{repository}/issues/{number}/comments"
    own = _find(session, comments)
    if own is None:
        done = session.post(comments, json={"body": text}, timeout=TIMEOUT_S)
    else:
        address = f"{api}/repos/{repository}/issues/comments/{own}"
        done = session.patch(address, json={"body": text}, timeout=TIMEOUT_S)
    if done.status_code in NOT_ALLOWED:
        return f"no comment: the token may not write ({done.status_code}), as in a fork's request"
    _raise_for(done)
    return f"comment {'written' if own is None else f'{own} brought up to date'}"


def _find(session: requests.Session, comments: str) -> int | None:
    """Find the comment of an earlier run among all pages; None when there is none."""
    page = 1
    while True:
        query = {"per_page": str(A_PAGE), "page": str(page)}
        done = session.get(comments, params=query, timeout=TIMEOUT_S)
        if done.status_code in NOT_ALLOWED:
            return None
        _raise_for(done)
        found = done.json()
        for comment in found:
            # Whoever may comment may copy the mark: only a bot's is ours to edit.
            author, text = comment["user"] or {}, comment["body"] or ""  # GitHub may state null
            if author.get("type") == "Bot" and text.startswith(MARK):
                return int(comment["id"])
        if len(found) < A_PAGE:
            return None
        page += 1


def _raise_for(answer: requests.Response) -> None:
    if not answer.ok:
        raise InputError(f"{answer.url}: {answer.status_code} {answer.reason}: {answer.text:.200}")
