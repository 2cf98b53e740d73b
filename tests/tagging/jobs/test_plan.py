"""CPU plans of a batch on Ray."""

import pytest

from tagging.errors import InvalidConfigError
from tagging.jobs.job import Share
from tagging.jobs.plan import Plan, plan_for


def test_every_stage_gets_workers_and_no_cpu_is_promised_twice() -> None:
    for cpus in range(3, 65):
        plan = plan_for({"CPU": float(cpus)})
        assert min(plan.decoders, plan.encoders, plan.taggers) >= 1
        assert plan.decoders + plan.encoders + plan.taggers == cpus
        assert plan.gpus_per_encoder == 0


def test_a_cluster_with_gpus_has_an_encoder_on_each() -> None:
    assert plan_for({"CPU": 64.0, "GPU": 8.0}) == Plan(40, 8, 16, 1.0)
    assert plan_for({"CPU": 64.0, "GPU": 2.0}, encoders=4).gpus_per_encoder == 0.5


@pytest.mark.parametrize("resources", [{}, {"CPU": 1.0}, {"CPU": 2.0, "GPU": 8.0}])
def test_a_cluster_on_which_a_batch_would_wait_for_ever_is_refused(resources: dict[str, float]) -> None:
    with pytest.raises(InvalidConfigError, match="a batch needs 3"):
        plan_for(resources)


def test_workers_that_leave_no_cpu_for_decoding_are_refused() -> None:
    with pytest.raises(InvalidConfigError, match="leave none of the cluster's 4 CPUs"):
        plan_for({"CPU": 4.0}, encoders=2, taggers=2)


def test_the_shares_of_several_drivers_fill_a_cluster_and_promise_nothing_twice() -> None:
    for drivers in range(1, 5):
        for cpus in range(3 * drivers, 40):
            plans = [
                plan_for({"CPU": float(cpus), "GPU": 3.0}, share=Share(driver, drivers))
                for driver in range(1, drivers + 1)
            ]
            assert sum(plan.decoders + plan.encoders + plan.taggers for plan in plans) == cpus
            assert sum(plan.encoders * plan.gpus_per_encoder for plan in plans) <= 3.0
            assert all(min(plan.decoders, plan.encoders, plan.taggers) >= 1 for plan in plans)
            assert all(0 < plan.gpus_per_encoder <= 1 for plan in plans)


def test_a_cluster_that_is_too_small_for_its_drivers_is_refused() -> None:
    assert plan_for({"CPU": 5.0}, share=Share(1, 2)) == Plan(1, 1, 1)
    with pytest.raises(InvalidConfigError, match="has 2 CPUs for the share 2-of-2"):
        plan_for({"CPU": 5.0}, share=Share(2, 2))
