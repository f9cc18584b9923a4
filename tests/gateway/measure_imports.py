"""Measure imports of every kind: `python -m tests.gateway.measure_imports [KIND…] [--rows N] [--xlsx] [--command]`.

Starts a PostgreSQL of its own in a folder of its own, durable as a service's, and removes both; with `--url` it takes
an empty database. Each list is carried out as a worker does it (`--command`: as `forewarn import` does it, a process of
its own), and then once more, when all is unchanged. The ceiling is a plain COPY of the same rows as text.
"""

from __future__ import annotations

import argparse
import cProfile
import csv
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from openpyxl import Workbook
from psycopg import sql
from sqlalchemy import text

from assets.base.access import Actor, Role
from assets.base.db import Database, plain_url
from assets.imports import mapping
from assets.imports.kinds.base import Origin
from assets.imports.running import Job, Outcome, carry_out
from assets.imports.service import chosen_columns, describe
from assets.people import add_organisation, root_organisation
from gateway.migrate import upgrade
from gateway.supervise.postgres import EXTENSIONS, OWNER, EmbeddedPostgres

CUSTOMERS, MODELS, WAREHOUSES, METERED = 2_000, 1_000, 1_000, 1_000
Row = list[Any]
_BEGAN = datetime(2020, 1, 1, tzinfo=UTC)


def _customer(n: int) -> Row:
    return [f"C{n:06}", f"客户 {n} Works Ltd", f"021-{n:08}", f"service{n}@c{n}.example.com"]


def _site(n: int) -> Row:
    return [f"C{n % CUSTOMERS:06}", f"Site {n}", f"{n} Harbour Road", "Asia/Shanghai", 31 + n % 100 / 100, 121.5]


def _model(n: int) -> Row:
    return [f"M{n:06}", f"Pump {n}", f"泵 {n}", "Maker"]


def _metric(n: int) -> Row:
    return [
        f"M{n // 100 % MODELS:06}",
        f"metric_{n % 100}_{n // 100_000}",
        "Cel",
        f"Metric {n}",
        f"测点 {n}",
        "health",
        1,
        2,
        80,
        90,
    ]


def _mode(n: int) -> Row:
    return [
        f"M{n // 100 % MODELS:06}",
        f"F{n % 100:03}{n // 100_000}",
        f"Seal {n} leaks",
        f"密封 {n} 泄漏",
        "wear",
        "磨损",
        "p, t",
        10,
    ]


def _asset(n: int) -> Row:
    day = (_BEGAN + timedelta(days=n % 1000)).date().isoformat()
    owner = n % CUSTOMERS
    return [
        f"SN{n:07}",
        f"离心泵 {n}",
        f"M{n % MODELS:06}",
        f"C{owner:06}",
        f"Site {owner}",
        "in_service",
        day,
        31,
        121,
    ]


def _position(n: int) -> Row:
    return [f"Place {n}", f"Site {n % CUSTOMERS}", f"SN{n:07}", "2024-03-01"]


def _reading(n: int) -> Row:
    at = _BEGAN + timedelta(days=n // METERED)
    return [f"SN{n % METERED:07}", "hours", at.isoformat(), 10 * (n // METERED) + n % 7]


def _part(n: int) -> Row:
    return [f"P-{n:06}", f"Seal size {n}", f"密封圈 {n}", "part", "pcs", "none", 12.5, "CNY", "Supplier", f"S{n}", 14]


def _place(n: int) -> Row:
    if n < WAREHOUSES:
        return [f"W{n}", f"Warehouse {n}", "warehouse", None]
    return [f"W{n % WAREHOUSES}-{n}", f"Bin {n}", "bin", f"W{n % WAREHOUSES}"]


def _count(n: int) -> Row:
    return [f"P-{n:06}", f"W{n % WAREHOUSES}", n % 90 + 1]


def _days(n: int) -> Row:
    return [f"SN{n:07}", "2023-01-10", "2023-02-20", "2023-03-01", "CN-31"]


@dataclass(frozen=True, slots=True)
class List:
    """One list to import: its headings, its rows, and how many rows of which lists have to be there (0: as many)."""

    headings: str
    row: Callable[[int], Row]
    needs: tuple[tuple[str, int], ...] = ()


LISTS = {
    "customers": List("Customer number,Name,Phone,E-mail", _customer),
    "sites": List("Customer number,Site,Address,Time zone,Latitude,Longitude", _site, (("customers", CUSTOMERS),)),
    "asset_models": List("Model code,Name (English),Name (Chinese),Manufacturer", _model),
    "metrics": List(
        "Model code,Metric,Unit (UCUM),Label (English),Label (Chinese),Role,Low low limit,Low limit,High limit,"
        "High high limit",
        _metric,
        (("asset_models", MODELS),),
    ),
    "failure_modes": List(
        "Model code,Failure mode,Name (English),Name (Chinese),Mechanism (English),Mechanism (Chinese),"
        "Shows in metrics,Rank",
        _mode,
        (("asset_models", MODELS),),
    ),
    "assets": List(
        "Serial number,Name,Model code,Customer number,Site,Lifecycle,Installed,Latitude,Longitude",
        _asset,
        (("customers", CUSTOMERS), ("sites", CUSTOMERS), ("asset_models", MODELS)),
    ),
    "positions": List("Position,Site,Serial number,Installed", _position, (("assets", 0),)),
    "meter_readings": List("Asset serial number,Meter,Read at,Value", _reading, (("assets", METERED),)),
    "parts": List(
        "Part number,Name (English),Name (Chinese),Kind,Unit,Tracking,Standard cost,Currency,Supplier,"
        "Supplier's number,Lead time in days",
        _part,
    ),
    "stock_locations": List("Location code,Location name,Location kind,Inside of (code)", _place),
    "stock_counts": List("Part number,Location code,Counted", _count, (("parts", 0), ("stock_locations", WAREHOUSES))),
    "warranty_dates": List("Asset serial number,Produced on,Shipped on,Delivered on,Region", _days, (("assets", 0),)),
}
# So many customers are as many organisations, below which all other lists would be measured: last, by itself.
ORDER = (*(name for name in LISTS if name != "customers"), "customers")


class Bench:
    """One database that is filled list by list."""

    def __init__(self, url: str, folder: Path, options: argparse.Namespace) -> None:
        self.url, self.folder, self.options = url, folder, options
        self.database = Database(url, pool_size=3)
        self.there: dict[str, int] = {}
        with self.database.as_service() as session:
            root = root_organisation(session)
            root = root or add_organisation(session, kind="operator", name="Big", now=datetime.now(UTC))
            self.actor = Actor("system", root.id, frozenset({Role.ADMINISTRATOR}))

    def write(self, kind: str, rows: int) -> Path:
        """Write the file of a list."""
        about = LISTS[kind]
        path = self.folder / f"{kind}.{'xlsx' if self.options.xlsx else 'csv'}"
        lines = ([*about.headings.split(",")], *(about.row(n) for n in range(rows)))
        if self.options.xlsx:
            book = Workbook(write_only=True)
            sheet = book.create_sheet()
            for line in lines:
                sheet.append(line)
            book.save(path)
        else:
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(lines)
        return path

    def carry_out(self, kind: str, path: Path, phases: dict[str, float]) -> Outcome:
        """Import one file as a worker does; `phases` gets the seconds of each phase."""
        began, phase = time.monotonic(), "reading"

        def progress(name: str, _: int) -> None:
            nonlocal began, phase
            if name != phase:
                phases[phase] = time.monotonic() - began
                began, phase = time.monotonic(), name

        table, known, heading, columns = describe(path, kind, None)
        assert known is not None
        mapped = mapping.check(chosen_columns(columns, known, None), known.fields, custom=known.custom)
        origin = Origin(self.actor, datetime.now(UTC), path.name)
        outcome = carry_out(self.database, Job(known, table, heading, mapped, dry_run=False), origin, progress)
        phases[phase] = time.monotonic() - began
        return outcome

    def ready(self, kind: str, rows: int) -> None:
        """Put in place what a list rests on."""
        for other, many in LISTS[kind].needs:
            self.ready(other, many or rows)
            if self.there.get(other, 0) < (many or rows):
                path = self.write(other, many or rows)
                assert self.carry_out(other, path, {}).fault_count == 0
                self.there[other] = many or rows
            if other == "asset_models":
                with self.database.as_service() as session:
                    meters = '[{"name": "hours", "kind": "counter", "unit": "h"}]'
                    session.execute(text("UPDATE asset_models SET meters = CAST(:m AS jsonb)"), {"m": meters})
        with self.database.engine.connect() as connection:  # as a database that runs for a day
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))

    def measure(self, kind: str) -> None:
        """Import one list, and the same again; print seconds, rows a second, and the ceiling."""
        rows = self.options.rows
        self.ready(kind, rows)
        path = self.write(kind, rows)
        ceiling = self.copied(kind, rows)
        load = os.getloadavg()[0]
        for again in (False, True)[: 1 if self.options.once else 2]:
            phases: dict[str, float] = {}
            began, busy = time.monotonic(), self.processor_seconds()
            if self.options.command:
                told = self.command(kind, path)
            else:
                with profiled(self.options.profile):
                    told = told_of(self.carry_out(kind, path, phases))
            took = time.monotonic() - began
            used = [after - before for before, after in zip(busy, self.processor_seconds(), strict=True)]
            parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in phases.items())
            print(
                f"{kind:16}{' again' if again else '':6} {took:7.1f} s {rows / took:8.0f} rows/s"
                f" (plain COPY {ceiling:.1f} s) load {load:.1f}; processor: program {used[0]:.1f}, database"
                f" {used[1]:.1f} s; {parts}; {told}",
                flush=True,
            )
        self.there[kind] = rows
        path.unlink()

    def processor_seconds(self) -> tuple[float, float]:
        """Return what this program and the database for it have used: the steadier figure on a busy machine."""
        with self.database.engine.connect() as connection:
            asked = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
            pids = list(connection.scalars(asked))
        spent = 0.0
        for pid in pids:
            stat = Path(f"/proc/{pid}/stat")
            if stat.exists():  # not where the server is another machine
                fields = stat.read_text().rpartition(")")[2].split()
                spent += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return time.process_time(), spent

    def command(self, kind: str, path: Path) -> str:
        """Import by the command, in a process of its own."""
        said = subprocess.run(
            [sys.executable, "-m", "gateway.main", "import", str(path), "--kind", kind, "--json"],
            env=os.environ | {"FOREWARN_DATABASE_URL": self.url, "FOREWARN_DATA": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        if said.returncode != 0:
            raise SystemExit(f"{said.stdout[:2000]}{said.stderr[:2000]}")
        outcome = json.loads(said.stdout)
        return " ".join(f"{name} {outcome[name]}" for name in ("inserted", "updated", "unchanged", "error_count"))

    def copied(self, kind: str, rows: int) -> float:
        """Return the seconds that a COPY of the same rows takes, as text with a key of their own."""
        about = LISTS[kind]
        columns = ", ".join(f"c{at} text" for at in range(len(about.headings.split(","))))
        began = time.monotonic()
        with psycopg.connect(plain_url(self.url)) as connection:
            connection.execute(f"CREATE TABLE copied (n int PRIMARY KEY, {columns})")
            connection.commit()
            began = time.monotonic()
            with connection.cursor() as cursor, cursor.copy("COPY copied FROM STDIN") as copy:
                for n in range(rows):
                    copy.write_row([n, *(None if each is None else str(each) for each in about.row(n))])
            connection.commit()
            took = time.monotonic() - began
            connection.execute("DROP TABLE copied")
        return took


def told_of(outcome: Outcome) -> str:
    """Say what an import did."""
    faults = f" {outcome.faults[0]}" if outcome.faults else ""
    return (
        f"inserted {outcome.inserted} updated {outcome.updated} unchanged {outcome.unchanged}"
        f" faults {outcome.fault_count}{faults}"
    )


@contextmanager
def profiled(wanted: bool) -> Iterator[None]:
    """Print where the time goes, when that is wanted."""
    if not wanted:
        yield
        return
    with cProfile.Profile() as profile:
        yield
    pstats.Stats(profile).sort_stats("cumulative").print_stats(60)


@contextmanager
def own_server() -> Iterator[str]:
    """Run a server with an empty, migrated database; yield its URL."""
    with tempfile.TemporaryDirectory(prefix="forewarn-measure-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "cluster") as server:
            yield migrated(server, "measured")


def migrated(server: EmbeddedPostgres, name: str) -> str:
    """Make a migrated database; return its URL."""
    with psycopg.connect(server.superuser_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER)))
    with psycopg.connect(server.url_of(name, user="postgres"), autocommit=True) as connection:
        for extension in EXTENSIONS:
            connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))
    upgrade(server.url_of(name))
    return server.url_of(name)


def main() -> None:
    """Measure the kinds that are named, else all."""
    about = argparse.ArgumentParser(description=__doc__)
    about.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(ORDER)}; all when left out")
    about.add_argument("--rows", type=int, default=100_000)
    about.add_argument("--xlsx", action="store_true", help="workbooks in place of CSV")
    about.add_argument("--command", action="store_true", help="by `forewarn import`")
    about.add_argument("--once", action="store_true", help="not the same file again")
    about.add_argument("--profile", action="store_true")
    about.add_argument("--url", help="an empty, migrated database, which stays filled")
    options = about.parse_args()
    wanted = options.kinds or ORDER
    if unknown := set(wanted) - LISTS.keys():
        about.error(f"no such list: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="forewarn-measure-") as folder:
        if options.url:
            run(options.url, Path(folder), options, wanted)
        else:
            with own_server() as url:
                run(url, Path(folder), options, wanted)


def run(url: str, folder: Path, options: argparse.Namespace, wanted: tuple[str, ...]) -> None:
    """Measure the kinds one after the other, in one database."""
    bench = Bench(url, folder, options)
    try:
        for kind in ORDER:
            if kind in wanted:
                bench.measure(kind)
    finally:
        bench.database.dispose()


if __name__ == "__main__":
    main()
