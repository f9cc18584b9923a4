"""Sparkplug payloads: every type of the specification, structures, properties; names as we call them."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.formats.decoded import Reason, Unreadable
from ingest.sparkplug.births import Lookup, read_birth
from ingest.sparkplug.names import (
    BadTopic,
    NodeKey,
    Verb,
    another_name,
    metric_name,
    read_topic,
    serial_of,
)
from ingest.sparkplug.outcomes import Store, arrival_of
from ingest.sparkplug.payload import REBIRTH, DataType, read_payload, write_rebirth
from ingest.sparkplug.readings import Names, Reader
from ingest.sparkplug.values import MAX_PARTS, quality_of
from tests.ingest.sparkplug_assertions import holds
from tests.ingest.sparkplug_node import T0, M, fill, message, nbirth, payload

D = DataType


def read(metrics: list[M], verb: str = "NBIRTH", **more: Any) -> Any:
    """Decode one payload as if it explained itself."""
    received = message(verb, payload(metrics, seq=0, **more))
    arrival = arrival_of(read_topic(received.topic), received)
    return Reader(Store(arrival, Lookup(None, read_birth(arrival.payload()))), Names()).read()


def values(metrics: list[M]) -> dict[str, Any]:
    decoded = read(metrics)
    assert decoded.problems == []
    return {name: value for sample in decoded.samples for name, value in sample.values.items()}


SCALARS = [
    (D.INT8, -7, -7),
    (D.INT8, 0xF9, -7),  # some senders narrow, some widen
    (D.INT16, -30000, -30000),
    (D.INT32, -1, -1),
    (D.INT64, -4270929666821191986, -4270929666821191986),
    (D.UINT8, 250, 250),
    (D.UINT16, 52360, 52360),
    (D.UINT32, 3293969225, 3293969225),
    (D.UINT64, 16444743074749521625, 16444743074749521625),
    (D.FLOAT, 1.5, 1.5),
    (D.DOUBLE, 1022.9123213, 1022.9123213),
    (D.BOOLEAN, True, True),
    (D.BOOLEAN, 1, True),
    (D.STRING, "run", "run"),
    (D.TEXT, "run", "run"),
    (D.UUID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    (D.DATE_TIME, 1656107875000, 1656107875000),
]


@holds("payloads-metric-datatype-value", "payloads-metric-datatype-value-type")
@pytest.mark.parametrize(("datatype", "sent", "stored"), SCALARS)
def test_every_plain_type_is_read(datatype: DataType, sent: Any, stored: Any, assertion: str) -> None:
    assert values([M("a", sent, datatype=datatype)]) == {"a": stored}


# The specification's own examples of packed arrays.
ARRAYS = [
    (D.INT8_ARRAY, bytes([0xE9, 0x7B]), [-23, 123]),
    (D.INT16_ARRAY, bytes([0xD0, 0x8A, 0x30, 0x75]), [-30000, 30000]),
    (D.INT32_ARRAY, bytes([0xFF, 0xFF, 0xFF, 0xFF, 0xFA, 0xAF, 0xCB, 0x12]), [-1, 315338746]),
    (D.UINT8_ARRAY, bytes([0x17, 0xFA]), [23, 250]),
    (D.UINT16_ARRAY, bytes([0x1E, 0x00, 0x88, 0xCC]), [30, 52360]),
    (D.UINT32_ARRAY, bytes([0x34, 0, 0, 0, 0x49, 0xFB, 0x55, 0xC4]), [52, 3293969225]),
    (D.INT64_ARRAY, struct.pack("<2q", -4270929666821191986, 5), [-4270929666821191986, 5]),
    (D.UINT64_ARRAY, struct.pack("<2Q", 52, 16444743074749521625), [52, 16444743074749521625]),
    (D.FLOAT_ARRAY, struct.pack("<2f", 1.5, -2.25), [1.5, -2.25]),
    (D.DOUBLE_ARRAY, struct.pack("<2d", 12.354213, 1022.9123213), [12.354213, 1022.9123213]),
    (
        D.BOOLEAN_ARRAY,
        bytes([0x0C, 0, 0, 0, 0x34, 0xD0]),
        [False, False, True, True, False, True, False, False, True, True, False, True],
    ),
    (D.STRING_ARRAY, b"ABC\0hello\0", ["ABC", "hello"]),
    (D.DATE_TIME_ARRAY, struct.pack("<2Q", 1256102875335, 1656107875000), [1256102875335, 1656107875000]),
]


@pytest.mark.parametrize(("datatype", "packed", "elements"), ARRAYS)
def test_elements_of_an_array_are_stored_each_under_its_number(
    datatype: DataType, packed: bytes, elements: list[Any]
) -> None:
    assert values([M("a", packed, datatype=datatype)]) == {
        f"a_{number}": element for number, element in enumerate(elements, 1)
    }


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (M("a", b"\x01\x02\x03", datatype=D.BYTES), Reason.BINARY_VALUE),
        (M("a", b"%PDF", datatype=D.FILE), Reason.BINARY_VALUE),
        (M("a", b"\x01\x02\x03", datatype=D.INT16_ARRAY), Reason.UNREADABLE),
        (M("a", b"\xff\0\0\0\x01", datatype=D.BOOLEAN_ARRAY), Reason.UNREADABLE),
        (M("a", b"\0\0", datatype=D.BOOLEAN_ARRAY), Reason.UNREADABLE),
        (M("a", b"no end", datatype=D.STRING_ARRAY), Reason.UNREADABLE),
        (M("a", bytes(MAX_PARTS + 1), datatype=D.UINT8_ARRAY), Reason.TOO_MANY_METRICS),
        (M("a", float("nan"), datatype=D.DOUBLE), Reason.NOT_FINITE),
        (M("a", "x" * 500, datatype=D.STRING), Reason.TOO_LONG),
        (M("a", "\0", datatype=D.STRING), Reason.BAD_TEXT),
        (M("a", 1.0, datatype=D.DOUBLE, t=1), Reason.ABSURD_TIME),
    ],
)
def test_what_is_no_reading_is_named_with_its_reason_and_the_rest_is_stored(metric: M, reason: Reason) -> None:
    decoded = read([M("good", 1.0, datatype=D.DOUBLE), metric])
    assert [problem.reason for problem in decoded.problems] == [reason]
    assert [dict(sample.values) for sample in decoded.samples] == [{"good": 1.0}]
    assert decoded.lost_samples == 0


def test_null_transient_control_and_bd_seq_store_nothing_and_are_no_trouble() -> None:
    decoded = read(
        [
            M("a", None, datatype=D.DOUBLE),
            M("b", 1.0, datatype=D.DOUBLE, transient=True),
            M("bdSeq", 4, datatype=D.INT64),
            M(REBIRTH, False, datatype=D.BOOLEAN),
            M("Device Control/Scan Rate", 5, datatype=D.INT32),
        ]
    )
    assert (decoded.samples, decoded.problems, decoded.n) == ([], [], 0)


def test_a_data_set_is_stored_by_row_and_column() -> None:
    def table(rows: list[list[float]]) -> Any:
        def build(metric: Any) -> None:
            metric.dataset_value.num_of_columns = 2
            metric.dataset_value.columns.extend(["Min", "Max"])
            metric.dataset_value.types.extend([10, 10])
            for row in rows:
                elements = metric.dataset_value.rows.add().elements
                for value in row:
                    elements.add().double_value = value

        return build

    assert values([M("Range", table([[1.0, 2.0]]), datatype=D.DATA_SET)]) == {"range_min": 1.0, "range_max": 2.0}
    assert values([M("Range", table([[1.0, 2.0], [3.0, 4.0]]), datatype=D.DATA_SET)]) == {
        "range_1_min": 1.0,
        "range_1_max": 2.0,
        "range_2_min": 3.0,
        "range_2_max": 4.0,
    }
    decoded = read([M("Range", table([[1.0, 2.0]] * MAX_PARTS), datatype=D.DATA_SET)])
    assert [problem.reason for problem in decoded.problems] == [Reason.TOO_MANY_METRICS]


def test_a_template_instance_is_stored_by_member_and_its_definition_is_not() -> None:
    def motor(is_definition: bool) -> Any:
        def build(metric: Any) -> None:
            template = metric.template_value
            template.is_definition = is_definition
            fill(template.metrics.add(), M("RPM", 1480, datatype=D.INT32, unit="rpm"), T0)
            inner = template.metrics.add(name="Bearing", datatype=int(D.TEMPLATE))
            fill(inner.template_value.metrics.add(), M("Temp", 61.5, datatype=D.DOUBLE, quality=500), T0 - 1000)

        return build

    assert values([M("Motor", motor(True), datatype=D.TEMPLATE)]) == {}
    decoded = read([M("Motor 1", motor(False), datatype=D.TEMPLATE)])
    assert {name for sample in decoded.samples for name in sample.values} == {"motor_1_rpm", "motor_1_bearing_temp"}
    bearing = next(sample for sample in decoded.samples if "motor_1_bearing_temp" in sample.values)
    assert (bearing.t_us, bearing.quality) == ((T0 - 1000) * 1000, {"motor_1_bearing_temp": 1})


def test_templates_without_end_are_refused() -> None:
    def nest(metric: Any) -> None:
        template = metric.template_value
        for _ in range(20):
            template = template.metrics.add(name="x", datatype=int(D.TEMPLATE)).template_value

    with pytest.raises(Unreadable) as caught:
        read_payload(payload([M("a", nest)]))
    assert caught.value.reason == Reason.NESTED_VALUE


@pytest.mark.parametrize("told", ["engUnit", "Engineering Units", "unit", "UNITS", "eng_unit"])
def test_units_are_found_in_the_properties_and_become_ucum(told: str) -> None:
    def with_unit(metric: Any) -> None:
        metric.double_value = 1.0
        metric.properties.keys.append(told)
        metric.properties.values.add(type=int(D.STRING), string_value="°C")

    decoded = read([M("a", with_unit, datatype=D.DOUBLE), M("b", 1.0, datatype=D.DOUBLE)])
    assert decoded.samples[0].units == {"a": "Cel"}


@holds("payloads-propertyset-quality-value-type", "payloads-propertyset-quality-value-value")
@pytest.mark.parametrize(("code", "word"), [(None, 0), (192, 0), (0, 2), (500, 1), (216, 0), (64, 1), (24, 2), (-1, 1)])
def test_quality_becomes_our_word(code: int | None, word: int, assertion: str) -> None:
    assert quality_of(code) == word
    if code in (0, 192, 500):
        (sample,) = read([M("a", 1.0, datatype=D.DOUBLE, quality=code)]).samples
        assert sample.quality == ({"a": word} if word else None)


def test_each_metric_keeps_its_own_time_and_metrics_of_one_time_make_one_sample() -> None:
    decoded = read([M("a", 1.0, t=T0 - 50), M("b", 2.0, t=T0 - 50), M("c", 3.0, t=T0 - 20), M("d", 4.0)])
    assert [(sample.t_us, dict(sample.values)) for sample in decoded.samples] == [
        ((T0 - 50) * 1000, {"a": 1.0, "b": 2.0}),
        ((T0 - 20) * 1000, {"c": 3.0}),
        (T0 * 1000, {"d": 4.0}),
    ]


def test_a_metric_twice_at_one_time_makes_two_samples_of_which_the_first_stays() -> None:
    decoded = read([M("a", 1.0), M("a", 2.0)])
    assert [dict(sample.values) for sample in decoded.samples] == [{"a": 1.0}, {"a": 2.0}]


def test_historical_samples_travel_in_the_lane_of_the_past() -> None:
    past = read([M("a", 1.0, t=T0 - 3_600_000, historical=True)], "NDATA")
    mixed = read([M("a", 1.0, t=T0 - 3_600_000, historical=True), M("a", 2.0)], "NDATA")
    assert (past.lane, past.samples[0].flags) == ("backfill", 5)  # late and backfill
    assert (mixed.lane, [sample.flags for sample in mixed.samples]) == ("live", [5, 0])


# ---- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("original", "ours"),
    [
        ("Inputs/Motor Temp", "inputs_motor_temp"),
        ("SupplyVoltage", "supply_voltage"),
        ("temperature_celsius", "temperature_celsius"),
        ("Line 1/Pump-2 (A)", "line_1_pump_2_a"),
        ("温度/入口", "温度_入口"),
        ("ＰＶ", "pv"),
        ("RPM", "rpm"),
    ],
)
def test_metrics_get_names_in_our_form(original: str, ours: str) -> None:
    assert metric_name(original) == ours


@given(st.text(max_size=300))
def test_every_name_becomes_a_name_that_a_series_may_have(original: str) -> None:
    for name in (metric_name(original), another_name(original)):
        assert 0 < len(name) <= 120
        assert name.isprintable()
        assert name == name.strip()


def test_two_metrics_never_share_a_name_and_a_name_once_given_stays() -> None:
    names = Names()
    first, second = names.of("A/B"), names.of("A_B")
    assert (first, second is not None and second != first) == ("a_b", True)
    assert Names(dict(names.given)).of("A_B") == second
    assert names.of("A/B") == first


def test_topics_are_read_as_the_specification_writes_them() -> None:
    assert read_topic("spBv1.0/Plant A/DDATA/Node 1/Pump") == (NodeKey("Plant A", "Node 1"), Verb.DDATA, "Pump")
    for wrong in ("spBv1.0/G/NDATA", "spBv1.0/G/NDATA/N/D", "spBv1.0/G/DDATA/N", "spBv1.0/G/NCMD/N", "x/G/NDATA/N"):
        with pytest.raises(BadTopic):
            read_topic(wrong)


def test_a_serial_is_made_of_group_and_node_and_fits_everywhere() -> None:
    assert serial_of(NodeKey("Plant", "Line-1")) == "Plant.Line-1"
    assert serial_of(NodeKey("Plant A", "x:y%z")) == "Plant-A.x-y-z"
    long, other = serial_of(NodeKey("g" * 60, "n" * 60)), serial_of(NodeKey("g" * 60, "n" * 60 + "2"))
    assert len(long) == len(other) == 64
    assert long != other


# ---- what the host sends ------------------------------------------------------------------------------------------


@holds(
    "payloads-ncmd-timestamp",
    "payloads-ncmd-seq",
    "topics-ncmd-timestamp",
    "topics-ncmd-payload",
    "payloads-name-cmd-requirement",
    "operational-behavior-data-commands-ncmd-rebirth-name",
    "operational-behavior-data-commands-ncmd-rebirth-value",
    "operational-behavior-data-commands-ncmd-metric-name",
    "operational-behavior-data-commands-ncmd-metric-value",
)
def test_the_request_for_births_is_the_command_of_the_specification(
    assertion: str,
) -> None:
    command = read_payload(write_rebirth(T0))
    assert (command.timestamp, command.seq) == (T0, None)
    assert [(each.name, each.value, each.datatype) for each in command.metrics] == [(REBIRTH, True, D.BOOLEAN)]


# ---- bad input ----------------------------------------------------------------------------------------------------


@given(st.binary(max_size=400))
def test_no_bytes_stop_the_reader(body: bytes) -> None:
    try:
        read_payload(body)
    except Unreadable:
        return
    _decode(body)


@given(st.data())
def test_no_damage_to_a_birth_stops_the_reader(data: st.DataObject) -> None:
    body = bytearray(nbirth([M("a", 1.0, alias=1, unit="bar"), M("b", b"\1\2", datatype=D.INT8_ARRAY), M("c", "x")]))
    for _ in range(data.draw(st.integers(1, 5))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    _decode(bytes(body[: data.draw(st.integers(0, len(body)))]))


def _decode(body: bytes) -> None:
    received = message("NBIRTH", body)
    try:
        arrival = arrival_of(read_topic(received.topic), received)
    except Unreadable:
        return
    Reader(Store(arrival, Lookup(None, read_birth(arrival.payload()))), Names()).read()
