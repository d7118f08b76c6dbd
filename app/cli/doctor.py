import json
from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.checks import Check, Finding
from app.cli.console import output, run
from app.cli.lists import Json
from app.core.config import ConfigurationError, Settings, get_settings

group = typer.Typer()


@group.command()
def doctor(
    *,
    as_json: Json = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit non-zero for a warning, too.")
    ] = False,
    review: Annotated[
        bool,
        typer.Option(
            "--review",
            help="Print the questions of a production readiness review, and where to "
            "find each answer. Check nothing.",
        ),
    ] = False,
) -> None:
    """Check settings, database, Redis, mail server and this machine.

    The command connects to the servers, but changes nothing. It exits with 1 if a check
    failed, else with 0.
    """
    if review:
        from app.cli.review import REVIEW

        for question, answer in REVIEW.items():
            if as_json:
                output.out(json.dumps({"question": question, "answer": answer}))
            else:
                output.print(f"{question}\n  {answer}")
        return
    findings = examine()
    if as_json:
        output.out(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            show(finding)
    bad = {"failed", "warning"} if strict else {"failed"}
    if any(finding.result in bad for finding in findings):
        raise typer.Exit(1)


def examine() -> list[Finding]:
    try:
        settings = get_settings()
    except ConfigurationError as error:
        fix = "Change this setting."
        return [
            Finding("settings.valid", "failed", problem, fix, "docs/settings.md")
            for problem in error.problems
        ]
    return run(examine_all(settings))


async def examine_all(settings: Settings) -> list[Finding]:
    from app.cli.checks import database, machine, mail, redis
    from app.cli.checks import settings as settings_

    findings = [each async for each in database.check(settings)]
    if not any(each.result == "failed" for each in findings):
        findings += [each async for each in mail.check_outbox(settings)]
    modules: tuple[Check, ...] = (redis.check, mail.check, machine.check)
    for check in modules:
        findings += [each async for each in check(settings)]
    return [each async for each in settings_.check(settings)] + findings


def show(finding: Finding) -> None:
    output.print(f"{finding.result:7}  {finding.name}: {finding.value}")
    if finding.fix:
        output.print(f"         {finding.fix} See {finding.link}")
