"""Configuration: each mistake is named with its file, its key and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.config import Config, ConfigError, SensorConfig, read_config, write_config

GOOD = """
[device]
serial = "P-7"
model = "pump"
[server]
broker = "mqtts://broker.example:8883"
username = "P-7"
password = "p"
[spool]
path = "state/agent.spool"
max_mb = 64
[[sensors]]
driver = "host"
interval_seconds = 5
[[sensors]]
driver = "simulator"
asset = "P-8"
machine = "pump"
"""


def test_good_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(GOOD)
    config = read_config(file)
    assert (config.serial, config.broker.host, config.broker.port, config.broker.tls) == (
        "P-7",
        "broker.example",
        8883,
        True,
    )
    assert config.spool_path == tmp_path / "state" / "agent.spool"
    assert config.sensors[0] == SensorConfig("host", 5)
    assert config.sensors[1] == SensorConfig("simulator", 10, "P-8", {"machine": "pump"})


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('serial = "P-7"', "", r"\[device\] serial is missing"),
        ('serial = "P-7"', 'serial = "a/b"', r"\[device\] serial is 'a/b', expected 1 to 64 characters without"),
        ("mqtts://broker.example:8883", "http://x", r"\[server\] broker is 'http://x': expected mqtt://HOST:PORT"),
        ('password = "p"', "password = 5", r"\[server\] password is 5, expected the password"),
        ("max_mb = 64", "max_mb = true", r"\[spool\] max_mb is True, expected a number from 4"),
        ("interval_seconds = 5", "interval_seconds = 0", r"number 1 interval_seconds is 0, expected a number from 0.1"),
        ('driver = "host"', "driver = 1", r"number 1 driver is 1, expected a driver"),
        ("[device]", "[devise]", r"\[devise\] is not known"),
        ('model = "pump"', 'colour = "red"', r"\[device\] colour is not known"),
        ("[device]", "[device", "not TOML"),
    ],
)
def test_mistakes_are_named_with_file_and_key(tmp_path: Path, old: str, new: str, words: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError, match=words) as caught:
        read_config(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="forewarn-edge claim CODE"):
        read_config(tmp_path / "none.toml")


def test_written_file_is_private_and_reads_back_the_same(tmp_path: Path) -> None:
    config = Config(
        serial="P 7",
        model='with "quotes" and \\',
        broker_url="mqtt://127.0.0.1:1883",
        username="P 7",
        password='p"\\\t热',
        spool_path=tmp_path / "a.spool",
        max_mb=64,
        http="http://127.0.0.1:8080",
        sensors=(SensorConfig("simulator", 0.5, "P-8", {"machine": "pump", "seed": 3, "backfill_days": 0}),),
    )
    file = tmp_path / "sub" / "config.toml"
    write_config(config, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_config(file) == config


def test_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = Config("P-7", "m", "mqtt://h", "u", "p", tmp_path / "a.spool")
    with pytest.raises(ConfigError, match="--config"):
        write_config(config, tmp_path / "file" / "config.toml")
