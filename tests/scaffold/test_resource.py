"""`add resource` and `remove resource`, in a copy of the repository."""

from pathlib import Path

import pytest

from scaffold import adding, upstream
from scaffold.refusal import Refused
from scaffold.repository import git
from scaffold.stems import Stem
from testbed.checkouts import environment_of, run_in
from testbed.service import ROOT

# Every type of field, a unique one, references to another resource and to itself.
FIELDS = (
    *("code:str:20:unique", "label:str:30=x", "mail:email:unique", "note:text?"),
    *("count:int=-3", "fragile:bool=true", "weight:decimal(6,3)?", "price:money"),
    *("rating:decimal(3,1)=1.5", "state:enum(draft|active)=draft", "due:date"),
    *("seen:instant?", "link:url?", "data:json", "extra:json?"),
    *("parent:ref(gift_box)?", "follows:ref(audit_event)"),
)

SOME = "location or filters or order or nowhere or owner"
TESTS = "tests/api/gift_boxes/test_gift_boxes.py"


def app(checkout: Path, home: Path, *line: str) -> tuple[int, str]:
    environment = environment_of(checkout, home)
    ended = run_in(checkout, "-m", "app", *line, environment=environment)
    return ended.returncode, ended.stdout


def test_a_resource_of_every_type_passes_its_tests_and_can_be_removed(
    checkout: Path, tmp_path: Path, postgres_url: str
) -> None:
    """Mutants: forget a registry in `add` or `remove`; write a wrong index or type."""
    line = ("add", "resource", "gift_box", *FIELDS, "--owner", "user")
    database = {"DATABASE_URL": f"sqlite:///{tmp_path}/app.db"}
    environment = environment_of(checkout, tmp_path)
    environment |= {"TEST_DATABASE_URL": postgres_url}

    shown = app(checkout, tmp_path, *line, "--dry-run")
    assert git(checkout, "status", "--porcelain") == ""
    code, said = app(checkout, tmp_path, *line)
    assert code == 0, said
    assert shown[0] == 0
    assert "Nothing was written." in shown[1]
    for tool in (
        ("ruff", "check", "--no-cache", "."),
        ("ruff", "format", "--check", "--no-cache", "."),
        ("pytest", "-q", "-p", "no:cacheprovider", "-k", SOME, TESTS),
    ):
        ended = run_in(checkout, "-m", *tool, environment=environment)
        assert ended.returncode == 0, ended.stdout
    for step in ("upgrade", "check"):
        ended = run_in(
            checkout, "-m", "app", "db", step, environment=environment | database
        )
        assert ended.returncode == 0, ended.stdout

    used = app(checkout, tmp_path, "remove", "resource", "audit_event")
    code, said = app(checkout, tmp_path, "remove", "resource", "gift_boxes")
    left = git(checkout, "status", "--porcelain", "--untracked-files=all").splitlines()
    for step in ("upgrade", "check"):
        ended = run_in(
            checkout, "-m", "app", "db", step, environment=environment | database
        )
        assert ended.returncode == 0, ended.stdout

    assert used[0] == 2
    assert "uses audit_events. Change this file first." in used[1]
    assert code == 0, said
    left = [row for row in left if not row.endswith(upstream.FILE)]  # only in a copy
    assert len(left) == 2, "only the two revisions are left"
    assert all(row.startswith("?? app/db/migrations/own/versions/20") for row in left)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (["class", "name:str:9"], "word of Python or SQL"),
        (["order", "name:str:9"], "word of Python or SQL"),
        (["Box", "name:str:9"], "small letters"),
        (["sheep_" * 6, "name:str:9"], "small letters"),
        (["outbox_mail", "name:str:9"], "outbox_mail.py exists"),
        (["auditor", "name"], "is not a field"),
        (["auditor", "name:varchar"], "Types: str, text"),
        (["auditor", "name:str"], "name:str:200"),
        (["auditor", "name:text:9"], "write it as name:text."),
        (["auditor", "rate:decimal(3,3)"], "one before the point"),
        (["auditor", "rate:decimal(3,1)=123"], "too many digits"),
        (["auditor", "state:enum(a)"], "enum"),
        (["auditor", "state:enum(a|b)=c"], "not one of its values"),
        (["auditor", "due:date=today"], "cannot be the default"),
        (["auditor", "id:int"], "id is a reserved name"),
        (["auditor", "group:int"], "word of Python or SQL"),
        (["auditor", "name:str:9", "name:text"], "two fields"),
        (["auditor", "name:str:9", "box:ref(box)"], "no resource box"),
        (["auditor", "box:ref(user)"], "field of its own"),
        (["auditor", "due:date:unique"], "can be unique"),
    ],
)
def test_refuses_in_one_line_and_writes_nothing(line: list[str], reason: str) -> None:
    name, *fields = line

    with pytest.raises(Refused) as refused:
        adding.plan(ROOT, name, fields)

    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_longest_names_pass_the_linter(tmp_path: Path) -> None:
    """Mutant: leave a line that ruff cannot split."""
    fields = (
        f"{'price_of_' * 2}the_delivery:money",
        f"{'kind_of_' * 2}the_delivery:enum(air|sea)",
        f"{'name_of_' * 2}the_delivery:str:200:unique",
    )
    made = adding.plan(ROOT, f"{'order_' * 4}line", fields, owned=True)
    for path, code in made.files.items():
        (tmp_path / path.replace("/", "_")).write_text(code)

    line = ("-m", "ruff", "check", "--isolated", "--no-cache", "--select", "E501")
    ended = run_in(tmp_path, *line, environment={})
    assert ended.returncode == 0, ended.stdout


def test_a_stem_does_not_own_longer_names() -> None:
    """Mutant: look for the name as a part of a word."""
    stem = Stem(("product", "products"))

    assert stem.owns(Path("app/services/products/reads.py"))
    assert stem.owns(Path("tests/cli/test_products.py"))
    assert not stem.owns(Path("app/services/product_types.py"))
    assert not stem.owns(Path("app/db/migrations/versions/0005_products.py"))
    for line in ("    products,", '    "products:write",', "[Products](products.md)"):
        assert stem.is_in(line)
    for line in ("    product_types,", "production", '"GET /api/v1/product-types"'):
        assert not stem.is_in(line)
