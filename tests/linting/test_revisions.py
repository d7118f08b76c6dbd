"""Revisions that could stop a running service are refused."""

import re
from pathlib import Path

from linting.revisions import lint

HEAD = '''"""A change."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
'''
DOWN = "\n\ndef downgrade() -> None:\n    op.execute('SELECT 1')\n"
CONCURRENTLY = "op.create_index('i', 'users', ['a'], postgresql_concurrently=True)"
UNSAFE = {
    "require-concurrent-index-creation": "op.create_index('i', 'users', ['a'])",
    "ban-concurrent-index-creation-in-transaction": CONCURRENTLY,
    "adding-required-field": (
        "op.add_column('users', sa.Column('a', sa.Text(), nullable=False))"
    ),
    "adding-foreign-key-constraint": (
        "op.create_foreign_key('f', 'users', 'teams', ['team_id'], ['id'])"
    ),
    "constraint-missing-not-valid": (
        "op.create_check_constraint('c', 'users', 'a > 0')"
    ),
    "adding-not-nullable-field": "op.alter_column('users', 'a', nullable=False)",
    "adding-field-with-default": (
        "op.add_column('users', sa.Column('a', sa.DateTime(timezone=True), "
        "server_default=sa.text('clock_timestamp()')))"
    ),
    "changing-column-type": "op.alter_column('users', 'a', type_=sa.BigInteger())",
    "renaming-column": "op.alter_column('users', 'a', new_column_name='b')",
    "renaming-table": "op.rename_table('users', 'people')",
    "ban-drop-column": "op.drop_column('users', 'a')",
    "ban-drop-table": "op.drop_table('users')",
    "disallowed-unique-constraint": "op.create_unique_constraint('u', 'users', ['a'])",
    "renaming-object": "op.execute(\"ALTER TYPE role RENAME VALUE 'a' TO 'b'\")",
    "prefer-timestamp-tz": "op.add_column('users', sa.Column('a', sa.DateTime()))",
    "backfill-in-revision": "op.execute('UPDATE users SET a = 1')",
    "small-key": (
        "op.create_table('t', sa.Column('id', sa.Integer(), primary_key=True))"
    ),
    "ban-drop-not-null": "op.alter_column('users', 'a', nullable=True)",
    "no-sql": "op.get_bind().execute(sa.text('SELECT 1')).scalar()",
}
SAFE = (
    "op.create_table('t', sa.Column('id', sa.Uuid(), primary_key=True))",
    "op.create_table('t', sa.Column('id', sa.BigInteger(), primary_key=True))",
    "op.create_table('t', sa.Column('id', sa.Uuid(), primary_key=True), "
    "sa.Column('a', sa.Integer()))\n    op.create_index('i', 't', ['a'])",
    "op.add_column('users', sa.Column('a', sa.Text()))",
    "op.add_column('users', sa.Column('a', sa.Text(), server_default='x'))",
    f"with op.get_context().autocommit_block():\n        {CONCURRENTLY}",
    "op.execute('ALTER TABLE users ADD CONSTRAINT c CHECK (a > 0) NOT VALID')",
    "op.execute('CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS "
    '"SELECT 1"\')'.replace('"', "$$"),
    "op.execute('ALTER TABLE users VALIDATE CONSTRAINT c')",
)


def write(directory: Path, name: str, body: str, down: str = DOWN) -> Path:
    file = directory / f"{name}.py"
    file.write_text(f"{HEAD}    {body}\n{down}")
    return file


def rules(files: list[Path]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {file.stem: set() for file in files}
    for finding in lint(files):
        found[finding.file.stem].add(finding.rule)
    return found


def test_refuses_each_unsafe_change(tmp_path: Path) -> None:
    """Mutants: leave a rule out; print no SQL for a revision."""
    files = [write(tmp_path, rule, body) for rule, body in UNSAFE.items()]
    for name, down in ("without", ""), ("empty", "\n\ndef downgrade():\n    pass\n"):
        files.append(write(tmp_path, f"down-{name}", "op.execute('SELECT 1')", down))

    found = rules(files)

    missed = {rule: found[rule] for rule in UNSAFE if rule not in found[rule]}
    assert not missed
    assert found["down-without"] == found["down-empty"] == {"no-downgrade"}


def test_accepts_each_safe_change(tmp_path: Path) -> None:
    """Mutant: refuse a change that is safe."""
    files = [write(tmp_path, f"r{n}", body) for n, body in enumerate(SAFE)]

    assert {name: rule for name, rule in rules(files).items() if rule} == {}


def test_a_written_reason_switches_one_rule_off(tmp_path: Path) -> None:
    """Mutants: need no reason; switch all rules off."""
    drop = "op.drop_column('users', 'a')\n    op.rename_table('users', 'people')"
    marks = {
        "reason": "# safety: ban-drop-column: no release reads it",
        "none": "# safety: ban-drop-column:",
    }
    files = [write(tmp_path, k, f"{mark}\n    {drop}") for k, mark in marks.items()]

    found = rules(files)

    assert "ban-drop-column" not in found["reason"]
    assert "renaming-table" in found["reason"]
    assert "ban-drop-column" in found["none"]


def test_make_check_runs_the_linter() -> None:
    makefile = Path(__file__).parents[2].joinpath("Makefile").read_text()
    assert re.search(r"^check:.*\n(\t.*\n)*\t\S+ -m linting\n", makefile, re.MULTILINE)
