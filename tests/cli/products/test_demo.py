import json
from pathlib import Path

from testbed.service import command, make_environment


class TestDemo:
    def test_is_the_same_on_two_new_databases(self, tmp_path: Path) -> None:
        """Mutants: make rows depend on the process; do not pass the seed on."""
        first, again, others = (
            self.export(tmp_path / name, seed)
            for name, seed in (("first", "7"), ("again", "7"), ("others", "8"))
        )

        assert len(first) == 20
        assert first == again
        assert first != others

    def test_needs_a_confirmation_in_production(self, tmp_path: Path) -> None:
        """Mutant: never ask for a confirmation."""
        production = make_environment(
            tmp_path,
            ENVIRONMENT="production",
            SECRET_KEY="Vb2rTz8QmN4xWc6LpK9sDf1HgJ3yUeRa",
            DATABASE_URL=f"sqlite:///{tmp_path}/app.db",
            ALLOWED_HOSTS="api.example.com",
        )
        upgraded = command("db", "upgrade", environment=production)
        assert upgraded.returncode == 0, upgraded.stderr
        demo = ("demo", "--products", "3")

        refused = command(*demo, environment=production)
        exported = command("products", "export", environment=production)
        confirmed = command(*demo, "--yes", environment=production)

        assert (refused.returncode, exported.stdout) == (1, "")
        assert refused.stderr.startswith("Error: Production needs --yes")
        assert confirmed.stdout == "Added 3 products and 0 users.\n"

    def export(self, home: Path, seed: str) -> list[dict[str, str]]:
        home.mkdir()
        environment = make_environment(home)
        command("db", "upgrade", environment=environment)
        demo = ("demo", "--products", "20", "--users", "3", "--seed", seed)
        added = command(*demo, environment=environment)
        assert added.stdout == "Added 20 products and 3 users.\n", added.stderr
        lines = command("products", "export", environment=environment).stdout
        chance = {"id", "created_at", "updated_at"}
        products = [
            {
                name: value
                for name, value in json.loads(line).items()
                if name not in chance
            }
            for line in lines.splitlines()
        ]
        return sorted(products, key=lambda product: str(product["sku"]))
