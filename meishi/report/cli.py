"""`meishi report`, `gate`, `pr-report` and `pr-comment`: revisions shown, judged and compared."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def report(
    out: Annotated[Path, typer.Option(help="Folder to replace; open its index.html.")] = Path(
        "build/report"
    ),
    base: Annotated[str, typer.Option(help="Git revision to compare with; none if empty.")] = "",
) -> None:
    """Write metrics, curves and pictures as a page for a browser. Needs requirements-report.txt."""
    from meishi.report.page import write_report

    for sentence in write_report(out, base or None):
        print(f"not in the report: {sentence}")
    print(f"{out / 'index.html'}: written")


@app.command()
def gate(
    base: Annotated[str, typer.Option(help="Git revision to compare with; none if empty.")] = "",
    head: Annotated[str, typer.Option(help="Git revision to judge; these files if empty.")] = "",
) -> None:
    """Hold the metrics against the limits of params.yaml; end with 1 if one does not hold."""
    from meishi.params import load_params
    from meishi.report.gate import check
    from meishi.report.revisions import snapshot

    limits = load_params("gate").gate
    for line in check(limits, snapshot(head or None), snapshot(base) if base else None):
        print(line)


@app.command("pr-report")
def pr_report(
    base: Annotated[str, typer.Option(help="Git revision that the change starts from.")],
    head: Annotated[str, typer.Option(help="Git revision of the change; these files if empty.")] = (
        ""
    ),
    link: Annotated[str, typer.Option(help="Address of the report with pictures.")] = "",
    out: Annotated[Path, typer.Option(help="The Markdown file to write.")] = Path(
        "build/pull-request.md"
    ),
) -> None:
    """Compare two revisions in Markdown, for a pull request."""
    from meishi.files.atomic import atomic_write_text
    from meishi.files.writable import check_writable
    from meishi.params import load_params
    from meishi.report.markdown import pull_request_report
    from meishi.report.revisions import snapshot

    check_writable(out)
    limits = load_params("gate").gate
    text = pull_request_report(limits, snapshot(head or None), snapshot(base), link or None)
    atomic_write_text(out, text)
    print(f"{out}: {len(text)} characters")


@app.command("pr-comment")
def pr_comment(
    body: Annotated[Path, typer.Argument(help="What `meishi pr-report` wrote.", metavar="REPORT")],
    number: Annotated[int, typer.Option(envvar="PR_NUMBER", help="Number of the pull request.")],
    repository: Annotated[
        str, typer.Option(envvar="GITHUB_REPOSITORY", help="The repository, OWNER/NAME.")
    ],
    api: Annotated[str, typer.Option(envvar="GITHUB_API_URL", help="Address of GitHub's API.")],
    token: Annotated[
        str,
        typer.Option(envvar="GH_TOKEN", help="Token that may write; nothing is written if empty."),
    ] = (""),
) -> None:
    """Write a pull request's comment, or bring the one that is there up to date."""
    from meishi.report.comment import put_comment

    print(put_comment(body, api, repository, number, token))
