"""Made-up users."""

import re

from app.core.email_address import parse_email
from app.db.models.user import Role
from app.demo.users import make_user, shuffled_names
from tests.demo.rows import lasting


class TestUsers:
    def test_are_the_same_for_the_same_seed(self) -> None:
        """Mutants: use `Random` without a seed; use only the number as the seed."""
        first = [lasting(make_user(number, "")) for number in range(1, 51)]
        again = [lasting(make_user(number, "", seed=0)) for number in range(1, 51)]
        others = [lasting(make_user(number, "", seed=1)) for number in range(1, 51)]

        assert first == again
        for name in ("full_name", "is_active"):
            assert [user[name] for user in first] != [user[name] for user in others]
        assert {user["role"] for user in first} == {Role.USER}
        assert {user["is_active"] for user in first} == {True, False}

    def test_have_unique_addresses_that_resemble_their_names(self) -> None:
        """Mutants: keep an accent in an address; repeat addresses when names repeat."""
        count = 2 * len(shuffled_names(0)) + 1
        users = [make_user(number, "") for number in range(1, count + 1)]

        assert len({user["email_canonical"] for user in users}) == count
        for user in users:
            local = user["email"].partition("@")[0]
            assert parse_email(user["email"]).canonical == user["email_canonical"]
            assert re.fullmatch(r"[a-z]+\.[a-z]+[23]?", local), local
            given, family = (part.lower() for part in user["full_name"].split())
            alike = zip(f"{given}.{family}", local.rstrip("23"), strict=True)
            assert all(one == other or not one.isascii() for one, other in alike)
