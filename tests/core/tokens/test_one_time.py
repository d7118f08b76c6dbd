import hashlib
import re

from app.core.tokens import one_time


class TestGenerate:
    def test_makes_tokens_that_secret_scanners_recognise(self) -> None:
        token = one_time.generate()

        assert len(token) == 50
        assert re.fullmatch(r"app_(pat|rt|vt)_[0-9A-Za-z]{30,64}", token)

    def test_never_repeats(self) -> None:
        assert len({one_time.generate() for _ in range(1000)}) == 1000


class TestDigest:
    def test_is_the_sha256_that_the_database_stores(self) -> None:
        assert one_time.digest("app_vt_x") == hashlib.sha256(b"app_vt_x").digest()

    def test_accepts_any_text_that_a_client_can_send(self) -> None:
        assert len(one_time.digest("\ud800" * 10_000)) == 32
