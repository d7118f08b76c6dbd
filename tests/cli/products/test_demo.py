import json
from pathlib import Path

from testbed.service import command, make_environment


class TestDemo:
    def test_is_the_same_on_two_new_databases(self, tmp_path: Path) -> None:
        """Mutants: rows that depend on the process; a seed that is not passed on."""
        first, again, others = (
            self.export(tmp_path / name, seed)
            for name, seed in (("first", "7"), ("again", "7"), ("others", "8"))
        )

        assert len(first) == 20
        assert first == again
        assert first != others

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
