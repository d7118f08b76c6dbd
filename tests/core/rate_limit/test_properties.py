"""Random schedules of hits, compared with a model that is obviously correct."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.rate_limit.policy import Decision, Hit, Policy
from testbed.valkey import ValkeyServer
from tests.core.rate_limit.model import (
    KINDS,
    Answer,
    Kind,
    LogModel,
    MemoryStage,
    Stage,
    answer,
    open_stage,
    policy,
)

RULES = [policy("tight", 2, 1), policy("wide", 5, 3), policy("odd", 3, 0.7)]

# A pause, the hits of a call, a refund (1: of the latest call), or a reset.
Step = float | list[Hit] | int | tuple[Policy, str]
Schedule = list[Step]

# A hit expires after a pause of one window, and not a microsecond earlier.
windows = st.sampled_from([0.7, 1.0, 3.0])
pauses = st.one_of(
    st.just(0.0), st.floats(0, 1), windows, windows.map(lambda seconds: seconds - 1e-6)
)
costs = st.sampled_from([0, 1, 1, 1, 2, 4])


rules, partitions = st.sampled_from(RULES), st.sampled_from(["ann", "bob"])


def calls() -> st.SearchStrategy[list[Hit]]:
    hit = st.builds(Hit, rules, partitions, costs)
    return st.lists(hit, min_size=1, max_size=3, unique_by=lambda hit: hit.key)


def schedules() -> st.SearchStrategy[Schedule]:
    call, refund = calls(), st.integers(1, 4)
    reset = st.tuples(rules, partitions)
    step = st.one_of(call, call, call, pauses, pauses, refund, refund, reset)
    return st.lists(step, min_size=10, max_size=40)


async def replay(stage: Stage, schedule: Schedule) -> list[Answer]:
    decisions: list[Decision] = []
    for step in schedule:
        match step:
            case float():
                await stage.wait(step)
            case list():
                decisions.append(await stage.limiter.hit(*step))
            case int() if step <= len(decisions):
                await stage.limiter.refund(decisions[-step])
            case (rule, partition):
                await stage.limiter.reset(rule, partition)
                # Wait, because a refund finds its hits by their microsecond.
                await stage.wait(1e-6)
    return [answer(decision) for decision in decisions]


def replay_on_model(schedule: Schedule) -> list[Answer]:
    model = LogModel()
    answers: list[Answer] = []
    for step in schedule:
        match step:
            case float():
                model.now_us += round(step * 1e6)
            case list():
                answers.append(model.hit(*step))
            case int() if step <= len(answers):
                model.refund(call=len(answers) - step)
            case (rule, partition):
                model.reset(rule, partition)
                model.now_us += 1
    return answers


class TestEachLimiter:
    @pytest.mark.parametrize("kind", KINDS)
    @given(schedule=schedules())
    async def test_answers_as_the_model_does(
        self, kind: Kind, valkey: ValkeyServer, schedule: Schedule
    ) -> None:
        async with open_stage(kind, valkey.url) as stage:
            answers = await replay(stage, schedule)

        assert answers == replay_on_model(schedule)

    @pytest.mark.parametrize("kind", KINDS)
    @given(schedule=st.lists(st.tuples(pauses, costs), min_size=10, max_size=40))
    async def test_no_window_contains_more_hits_than_the_limit(
        self, kind: Kind, valkey: ValkeyServer, schedule: list[tuple[float, int]]
    ) -> None:
        rule = policy("five", 5, seconds=1)
        allowed_at: list[int] = []
        async with open_stage(kind, valkey.url) as stage:
            for pause, cost in schedule:
                await stage.wait(pause)
                if (await stage.limiter.hit(Hit(rule, "ann", cost))).allowed:
                    allowed_at += [stage.now_us] * cost

        sixths = zip(allowed_at, allowed_at[rule.limit :], strict=False)
        assert all(sixth - first >= 1_000_000 for first, sixth in sixths)


class TestConcurrentCalls:
    @pytest.mark.parametrize("kind", KINDS)
    @given(moments=st.lists(st.lists(calls(), max_size=6), min_size=3, max_size=8))
    async def test_are_counted_one_after_the_other(
        self, kind: Kind, valkey: ValkeyServer, moments: list[list[list[Hit]]]
    ) -> None:
        """Mutant: do not count the earlier calls of the same round trip."""
        model = LogModel()
        async with open_stage(kind, valkey.url) as stage:
            for moment in moments:
                decisions = await asyncio.gather(
                    *(stage.limiter.hit(*call) for call in moment)
                )
                assert list(map(answer, decisions)) == [
                    model.hit(*call) for call in moment
                ]
                await stage.wait(0.4)
                model.now_us += 400_000


class TestBothLimiters:
    @given(schedule=schedules())
    async def test_give_the_same_answers(
        self, valkey: ValkeyServer, schedule: Schedule
    ) -> None:
        async with open_stage("redis", valkey.url) as stage:
            shared = await replay(stage, schedule)

        assert shared == await replay(MemoryStage(), schedule)
