"""How waiting, chosen, preparing and active lead to each other."""

from __future__ import annotations

import pytest

from cryptoproxy.producer.lease.tenure import Event, Stage, Standing, Tenure


def at(member_id: str = "m", *, generation: int = 1, settled: bool = True, chosen: bool = True) -> Standing:
    return Standing(member_id=member_id, generation=generation, settled=settled, chosen=chosen)


def tenure(stage: Stage = Stage.WAITING) -> Tenure:
    """One that has got so far as member m."""
    one = Tenure("p", now_ms=100)
    if stage is not Stage.WAITING:
        assert one.observe(at(), now_ms=100) is Event.CHOSEN
    if stage in (Stage.PREPARING, Stage.ACTIVE):
        one.take(term=3, since_ms=200)
        one.confirmed(0)
    if stage is Stage.ACTIVE:
        one.activate()
    assert one.stage is stage
    return one


@pytest.mark.parametrize("stage", [Stage.WAITING, Stage.CHOSEN, Stage.PREPARING])
def test_only_the_active_may_poll(stage: Stage) -> None:
    assert not tenure(stage).may_poll(0)
    assert tenure(Stage.ACTIVE).may_poll(0)


def test_one_that_waits_claims_nothing_and_a_holder_its_term() -> None:
    assert tenure().claim().term is None
    assert tenure(Stage.CHOSEN).claim().term is None
    assert tenure(Stage.PREPARING).claim().term == 3
    assert tenure(Stage.ACTIVE).claim().term == 3


@pytest.mark.parametrize("stage", [Stage.PREPARING, Stage.ACTIVE])
def test_a_rebalance_under_way_changes_nothing(stage: Stage) -> None:
    one = tenure(stage)
    assert one.observe(at(generation=1, settled=False, chosen=False), now_ms=300) is None
    assert one.observe(at(generation=2, settled=True), now_ms=300) is None
    assert one.stage is stage


@pytest.mark.parametrize("stage", [Stage.CHOSEN, Stage.PREPARING, Stage.ACTIVE])
def test_when_another_is_chosen_it_stops_and_waits_from_now_on(stage: Stage) -> None:
    one = tenure(stage)
    assert one.observe(at(generation=2, chosen=False), now_ms=500) is Event.REPLACED
    assert one.stage is Stage.WAITING
    assert not one.may_poll(0)
    assert one.claim().term is None
    assert one.claim().waiting_since == (100 if stage is Stage.CHOSEN else 500)


@pytest.mark.parametrize("standing", [at("", generation=-1, settled=False), at("another", generation=5)])
def test_a_holder_that_was_put_out_goes_on_and_claims_its_lease(standing: Standing) -> None:
    one = tenure(Stage.ACTIVE)
    assert one.observe(standing, now_ms=300) is Event.PUT_OUT
    assert one.observe(standing, now_ms=300) is None
    assert one.may_poll(0)
    assert one.claim().term == 3
    assert one.observe(at("another", generation=6), now_ms=300) is None
    assert one.stage is Stage.ACTIVE


def test_put_out_and_another_chosen_it_stops() -> None:
    one = tenure(Stage.ACTIVE)
    one.observe(at("", generation=-1, settled=False), now_ms=300)
    assert one.observe(at("another", generation=6, chosen=False), now_ms=300) is Event.REPLACED
    assert not one.may_poll(0)


def test_put_out_before_it_took_the_lease_it_waits_again() -> None:
    one = tenure(Stage.CHOSEN)
    assert one.observe(at("", generation=-1, settled=False), now_ms=300) is Event.PUT_OUT
    assert one.stage is Stage.WAITING


def test_after_a_pause_it_polls_only_when_confirmed_after_it() -> None:
    one = tenure(Stage.ACTIVE)
    assert not one.may_poll(1)
    one.confirmed(0)  # asked before the pause, answered after it
    assert not one.may_poll(1)
    one.confirmed(1)
    assert one.may_poll(1)


def test_a_new_client_says_nothing_about_the_lease() -> None:
    one = tenure(Stage.ACTIVE)
    one.client_replaced()
    assert one.claim().client == 1
    assert one.observe(at("", generation=-1, settled=False), now_ms=300) is None
    assert one.observe(at("new"), now_ms=300) is None
    assert one.may_poll(0)


def test_one_that_resigned_claims_nothing() -> None:
    one = tenure(Stage.ACTIVE)
    one.resign(now_ms=300)
    assert not one.may_poll(0)
    assert one.claim().term is None
