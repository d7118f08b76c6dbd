"""The page of the readiness review, from the lines that `doctor --review` prints."""

from app.cli.review import REVIEW

HEAD = """# Readiness review

Before a service goes into production, its team answers these questions. For each
question this page names a command or a page that answers it, or says that the answer is
yours. `python -m app doctor --review` prints the same lines.

| Question | Answer |
|---|---|
"""


def markdown() -> str:
    return HEAD + "".join(
        f"| {question} | {answer} |\n" for question, answer in REVIEW.items()
    )
