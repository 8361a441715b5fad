"""Benchmarks. Every one of them takes a `Plan` and gives figures with their targets."""

from collections.abc import Mapping

from vlm_bt.bench.answers import measure_answers
from vlm_bt.bench.campaign import measure_campaign
from vlm_bt.bench.form import Bench
from vlm_bt.bench.fuzz import measure_fuzz
from vlm_bt.bench.light import measure_import
from vlm_bt.bench.load import measure_load
from vlm_bt.bench.mission import measure_missions
from vlm_bt.bench.mutants import measure_mutants
from vlm_bt.bench.record import measure_record
from vlm_bt.bench.ros import measure_ros
from vlm_bt.bench.story import measure_story
from vlm_bt.bench.trace import measure_trace
from vlm_bt.bench.view import measure_view
from vlm_bt.bench.vision import measure_vision

BENCHES: Mapping[str, Bench] = {
    "mission": measure_missions,
    "story": measure_story,
    "trace": measure_trace,
    "import": measure_import,
    "load": measure_load,
    "mutants": measure_mutants,
    "fuzz": measure_fuzz,
    "vision": measure_vision,
    "record": measure_record,
    "view": measure_view,
    "ros": measure_ros,
    "campaign": measure_campaign,
    "answers": measure_answers,
}
