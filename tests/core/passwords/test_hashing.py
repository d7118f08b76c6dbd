import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import argon2
import pytest

from app.core.passwords.hashing import HashQueueFull, PasswordHasher, normalise

PASSWORD = "correct horse battery staple"


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    hasher = PasswordHasher(slots=2, queue=8)
    yield hasher
    hasher.close()


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The argon2 parameters of every computed hash, stored or compared."""
    done: list[str] = []
    hash_, verify = argon2.PasswordHasher.hash, argon2.PasswordHasher.verify

    def counted_hash(self: argon2.PasswordHasher, *args: object, **kw: object) -> str:
        encoded: str = hash_(self, *args, **kw)  # type: ignore[arg-type]
        done.append(encoded.split("$")[3])
        return encoded

    def counted_verify(self: argon2.PasswordHasher, hash: str, password: str) -> bool:
        done.append(hash.split("$")[3])
        return verify(self, hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "hash", counted_hash)
    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted_verify)
    return done


class Gate:
    """Holds hashes back, so that a test can examine a full queue."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = threading.Event()
        self.entered = threading.Semaphore(0)
        self.started = 0
        monkeypatch.setattr(argon2.PasswordHasher, "hash", self.hold)

    def hold(self, *_: object, **__: object) -> str:
        self.started += 1
        self.entered.release()
        assert self.opened.wait(30)
        return "hash"

    async def wait_for(self, hashes: int) -> None:
        for _ in range(hashes):
            assert await asyncio.to_thread(self.entered.acquire, timeout=30)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.opened.set()


class TestHash:
    async def test_uses_parameters_that_owasp_recommends(
        self, hasher: PasswordHasher
    ) -> None:
        assert (await hasher.hash(PASSWORD)).startswith(
            "$argon2id$v=19$m=19456,t=2,p=1$"
        )

    async def test_salts_every_hash(self, hasher: PasswordHasher) -> None:
        assert await hasher.hash(PASSWORD) != await hasher.hash(PASSWORD)

    async def test_refuses_a_long_password_instead_of_truncating_it(
        self, hasher: PasswordHasher
    ) -> None:
        with pytest.raises(ValueError, match="too long"):
            await hasher.hash("x" * 129)

    @pytest.mark.parametrize(
        ("memory_kib", "passes"),
        [(19_455, 2), (1024, 2), (19_456, 1), (7_167, 5), (7_168, 4), (47_103, 1)],
    )
    def test_refuses_parameters_weaker_than_owasp_recommends(
        self, memory_kib: int, passes: int
    ) -> None:
        with pytest.raises(ValueError, match="OWASP"):
            PasswordHasher(1, 1, memory_kib=memory_kib, passes=passes)


class TestVerify:
    async def test_accepts_only_the_right_password(
        self, hasher: PasswordHasher
    ) -> None:
        stored = await hasher.hash(PASSWORD)

        assert await hasher.verify(PASSWORD, stored) == (True, None)
        assert await hasher.verify(PASSWORD + " ", stored) == (False, None)
        assert await hasher.verify("", stored) == (False, None)

    @pytest.mark.parametrize("place", [72, 127])
    async def test_compares_every_character(
        self, hasher: PasswordHasher, place: int
    ) -> None:
        password = "a" * 128
        stored = await hasher.hash(password)

        other = password[:place] + "b" + password[place + 1 :]

        assert (await hasher.verify(password, stored)).ok
        assert not (await hasher.verify(other, stored)).ok
        assert not (await hasher.verify(password + "a", stored)).ok
        assert not (await hasher.verify(password[:-1], stored)).ok

    @pytest.mark.parametrize(
        ("chosen", "typed"),
        [
            ("caf\N{LATIN SMALL LETTER E WITH ACUTE} au lait", "cafe\u0301 au lait"),
            ("Kelvin scale 273", "\N{KELVIN SIGN}elvin scale 273"),
            ("abcdef", "ａｂｃｄｅｆ"),  # noqa: RUF001
            ("\N{LATIN SMALL LIGATURE FI}ne days", "fine days"),
        ],
    )
    async def test_accepts_every_unicode_form_of_a_character(
        self, hasher: PasswordHasher, chosen: str, typed: str
    ) -> None:
        assert (await hasher.verify(typed, await hasher.hash(chosen))).ok

    async def test_replaces_a_hash_that_has_other_parameters(
        self, hasher: PasswordHasher
    ) -> None:
        older = PasswordHasher(1, 1, memory_kib=7_168, passes=5)
        stored = await older.hash(PASSWORD)
        older.close()

        right = await hasher.verify(PASSWORD, stored)
        wrong = await hasher.verify("wrong", stored)

        assert right.ok
        assert right.upgraded_hash is not None
        assert await hasher.verify(PASSWORD, right.upgraded_hash) == (True, None)
        assert wrong == (False, None)

    async def test_accepts_a_bcrypt_hash_and_replaces_it(
        self, hasher: PasswordHasher
    ) -> None:
        bcrypt = pytest.importorskip("bcrypt")
        stored = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()

        right = await hasher.verify(PASSWORD, stored)

        assert right.ok
        assert right.upgraded_hash is not None
        assert right.upgraded_hash.startswith("$argon2id$")
        assert await hasher.verify("wrong", stored) == (False, None)
        assert await hasher.verify("x" * 100, stored) == (False, None)


class TestEqualWork:
    async def test_is_done_for_an_unknown_account(
        self, hasher: PasswordHasher, work: list[str]
    ) -> None:
        stored = await hasher.hash(PASSWORD)
        work.clear()

        assert await hasher.verify("wrong", stored) == (False, None)
        assert await hasher.verify("wrong", None) == (False, None)

        assert work == ["m=19456,t=2,p=1"] * 2

    @pytest.mark.parametrize(
        "password", ["x" * 129, "x" * 1_000_000, "ﷺ" * 100, "\ud800", "nul\0", ""]
    )
    @pytest.mark.parametrize("known", [True, False])
    async def test_is_done_for_an_impossible_password(
        self, hasher: PasswordHasher, work: list[str], password: str, known: bool
    ) -> None:
        stored = await hasher.hash(PASSWORD) if known else None
        work.clear()

        assert await hasher.verify(password, stored) == (False, None)

        assert work == ["m=19456,t=2,p=1"]

    @pytest.mark.parametrize("stored", ["", "!", "$1$md5", "$argon2id$", "plain"])
    async def test_is_done_for_an_unreadable_hash(
        self, hasher: PasswordHasher, work: list[str], stored: str
    ) -> None:
        assert await hasher.verify(stored, stored) == (False, None)

        assert work == ["m=19456,t=2,p=1"]


class TestHashQueue:
    async def test_refuses_a_hash_beyond_the_limit_before_any_work(
        self, gate: Gate
    ) -> None:
        hasher = PasswordHasher(slots=1, queue=2)
        accepted = [asyncio.create_task(hasher.hash(PASSWORD)) for _ in range(3)]
        await gate.wait_for(1)

        for attempt in (hasher.hash(PASSWORD), hasher.verify(PASSWORD, None)):
            with pytest.raises(HashQueueFull) as refusal:
                await attempt
            assert (refusal.value.status, refusal.value.code) == (503, "overloaded")
            assert refusal.value.headers["Retry-After"] == "1"
        assert gate.started == 1

        gate.opened.set()
        assert await asyncio.gather(*accepted) == ["hash"] * 3
        assert await hasher.hash(PASSWORD) == "hash"
        hasher.close()

    async def test_computes_as_many_hashes_as_it_has_slots(self, gate: Gate) -> None:
        hasher = PasswordHasher(slots=2, queue=1)
        accepted = [asyncio.create_task(hasher.hash(PASSWORD)) for _ in range(3)]

        await gate.wait_for(2)

        assert gate.started == 2
        gate.opened.set()
        await asyncio.gather(*accepted)
        hasher.close()

    async def test_drops_a_queued_hash_whose_client_disconnected(
        self, gate: Gate
    ) -> None:
        hasher = PasswordHasher(slots=1, queue=1)
        running = asyncio.create_task(hasher.hash(PASSWORD))
        await gate.wait_for(1)
        waiting = asyncio.create_task(hasher.hash(PASSWORD))
        await asyncio.sleep(0)

        waiting.cancel()
        await asyncio.wait([waiting])
        successor = asyncio.create_task(hasher.hash(PASSWORD))
        await asyncio.sleep(0)
        gate.opened.set()

        assert await running == await successor == "hash"
        assert gate.started == 2
        hasher.close()

    async def test_counts_a_running_hash_whose_client_disconnected(
        self, gate: Gate
    ) -> None:
        hasher = PasswordHasher(slots=1, queue=0)
        abandoned = asyncio.create_task(hasher.hash(PASSWORD))
        await gate.wait_for(1)

        abandoned.cancel()
        await asyncio.wait([abandoned])

        with pytest.raises(HashQueueFull):
            await hasher.hash(PASSWORD)
        hasher.close()

    async def test_never_runs_on_the_event_loop(
        self, hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        threads: list[str] = []

        def observed(*_: object, **__: object) -> str:
            threads.append(threading.current_thread().name)
            return "hash"

        monkeypatch.setattr(argon2.PasswordHasher, "hash", observed)

        await hasher.hash(PASSWORD)
        await hasher.verify(PASSWORD, None)

        assert all(name.startswith("password-hash") for name in threads)
        assert len(threads) == 2


class TestClose:
    async def test_cancels_queued_hashes_and_finishes_running_ones(
        self, gate: Gate
    ) -> None:
        hasher = PasswordHasher(slots=1, queue=1)
        running = asyncio.create_task(hasher.hash(PASSWORD))
        await gate.wait_for(1)
        waiting = asyncio.create_task(hasher.hash(PASSWORD))
        await asyncio.sleep(0)

        hasher.close()
        gate.opened.set()

        assert await running == "hash"
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert gate.started == 1


class TestNormalise:
    @pytest.mark.parametrize("text", ["x" * 128, "🎸" * 128, "ᾂ" * 128])
    def test_accepts_128_code_points_of_any_script(self, text: str) -> None:
        assert normalise(text) is not None
        assert normalise(text + "x") is None

    def test_counts_after_normalising(self) -> None:
        decomposed = "α\u0313\u0300\u0345" * 128  # noqa: RUF001

        assert normalise(decomposed) == "ᾂ" * 128
        assert normalise("ﷺ" * 8) is None  # 18 letters each after normalising

    def test_refuses_megabytes_of_marks_quickly(self) -> None:
        with ThreadPoolExecutor(1) as thread:
            marks = thread.submit(normalise, "\u0316\u0301" * 5_000_000)
            assert marks.result(timeout=30) is None

    @pytest.mark.parametrize("text", ["nul\0", "\ud800", "x\udfff", "a\udc00b"])
    def test_refuses_nul_and_lone_surrogates(self, text: str) -> None:
        assert normalise(text) is None
