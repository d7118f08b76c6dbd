import json

from testbed.service import command


class TestUsersCreate:
    def test_reads_the_password_from_stdin(self, environment: dict[str, str]) -> None:
        command("db", "upgrade", environment=environment)
        create = ("users", "create", "--email", "ada@example.org", "--password-stdin")

        weak = command(*create, environment=environment, stdin="password1234\n")
        fine = command(*create, environment=environment, stdin="violet umbrella\n")
        again = command(*create, environment=environment, stdin="violet umbrella\n")

        assert (weak.returncode, fine.returncode, again.returncode) == (1, 0, 1)
        assert weak.stderr == (
            "Error: Many people use this password. Choose another one.\n"
        )
        assert "violet" not in fine.stdout + fine.stderr
        assert again.stderr == "Error: Another account has this e-mail address.\n"

    def test_prints_json_for_programs(self, environment: dict[str, str]) -> None:
        command("db", "upgrade", environment=environment)
        create = ("users", "create", "--email", "ada@example.org", "--json")

        made = command(*create, environment=environment)

        account = json.loads(made.stdout)
        assert len(account.pop("password")) >= 16
        assert account == {"email": "ada@example.org", "role": "user"}
