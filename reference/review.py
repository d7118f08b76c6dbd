"""The page of the readiness review, from the lines that `doctor --review` prints."""

from app.cli.review import REVIEW

HEAD = """# Readiness review

Before a service goes into production, its team answers these questions. For each one
this page names the command or the page that answers it, or says that it is yours to
answer.
`python -m app doctor --review` prints the same lines.

| Question | Answer |
|---|---|
"""


def markdown() -> str:
    return HEAD + "".join(
        f"| {question} | {answer} |\n" for question, answer in REVIEW.items()
    )
