"""The command line `forewarn`."""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import bench, device_commands, document_commands, import_command, model_commands

if TYPE_CHECKING:
    from gateway.settings import Settings

NEEDS_SERVER = 'forewarn: this is the light install, for agents only. The server: pip install "forewarn[server]"'
NEEDS_URLS = "forewarn: set FOREWARN_DATABASE_URL and FOREWARN_BROKER_URL, or run `forewarn up`, which brings both."


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with every command."""
    parser = argparse.ArgumentParser(prog="forewarn", description="Predictive maintenance and after-sales service.")
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    up = commands.add_parser("up", help="the whole service on one machine")
    up.add_argument("--data", type=Path, help="data folder; removing it removes everything")
    up.add_argument("--demo", action="store_true", help="load a small simulated plant, marked as demo")
    up.add_argument("--replay", type=Path, metavar="FOLDER", help="play a recorded fleet through the whole chain")
    up.add_argument("--speed", type=float, help="replay so many times faster than life")
    up.add_argument("--json", action="store_true", help="one JSON object with the addresses when ready")
    up.add_argument("--lan", action="store_true", help="listen on all addresses of this machine, not only on loopback")

    api = commands.add_parser("api", help="one role: HTTP API and pages")
    api.add_argument("--workers", type=int, default=1, help="so many processes on this machine (default 1)")
    ingest = commands.add_parser("ingest", help="one role: MQTT to rows")
    ingest.add_argument("--workers", type=int, default=1, help="so many processes on this machine (default 1)")
    ingest.add_argument(
        "--slots", type=int, help="sessions at the broker that all workers of all machines share (default: --workers)"
    )
    commands.add_parser("worker", help="one role: scoring, decisions, events, the clock")
    migrate = commands.add_parser("migrate", help="bring the database to the current schema")
    migrate.add_argument("--json", action="store_true")

    doctor = commands.add_parser("doctor", help="check everything; each failure with the line that fixes it")
    doctor.add_argument("--data", type=Path)
    doctor.add_argument("--json", action="store_true")

    token = commands.add_parser("token", help="print an API token")
    token.add_argument("--role", required=True)
    token.add_argument("--org", help="name of the organisation; the operator when left out")
    token.add_argument("--data", type=Path)
    token.add_argument("--json", action="store_true")

    device_commands.add_commands(commands)
    model_commands.add_commands(commands)
    import_command.add_command(commands)
    document_commands.add_commands(commands)

    evaluate = commands.add_parser("evaluate", help="score the detectors on a recorded fleet")
    evaluate.add_argument("folder", type=Path, metavar="FOLDER")
    evaluate.add_argument("--out", type=Path, required=True, metavar="DIR")
    evaluate.add_argument("--jobs", type=int, default=-1, metavar="N", help="processes (default: one for each core)")
    evaluate.add_argument("--cluster", metavar="ADDRESS", help="a Dask scheduler instead, as tcp://HOST:8786")
    evaluate.add_argument("--json", action="store_true")

    bench.add_commands(commands)

    chaos = commands.add_parser("chaos", help="kill parts at random, prove that rows equal samples")
    chaos.add_argument("--minutes", type=float, default=3, help="how long parts are broken (default 3)")
    chaos.add_argument("--seed", type=int, help="what is broken when; the same seed breaks the same")
    chaos.add_argument("--agents", type=int, default=4, help="how many devices (default 4)")
    chaos.add_argument("--keep", action="store_true", help="keep the temporary folder with its logs and database")
    chaos.add_argument("--json", action="store_true", help="one JSON object with every fault and figure")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("sqlalchemy") is None or importlib.util.find_spec("fastapi") is None:
        print(NEEDS_SERVER, file=sys.stderr)
        return 2
    from gateway.settings import VERSION, Settings

    if options.version:
        print(VERSION)
        return 0
    if options.command is None:
        parser.print_help()
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for chatty in ("apscheduler", "procrastinate", "alembic.runtime"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        settings = Settings()
    except ValueError as error:
        print(f"forewarn: {_wrong_variables(error)}", file=sys.stderr)
        return 2
    if getattr(options, "data", None):
        settings.data = options.data.resolve()
    try:
        return _run(options, settings)
    except Exception as error:
        from sqlalchemy.exc import OperationalError

        from gateway.supervise.errors import SupervisorError

        if isinstance(error, SupervisorError):
            print(f"forewarn: {error.message}", file=sys.stderr)
            return 1
        if isinstance(error, OperationalError):
            reason = str(error.orig).strip().splitlines()[0]
            print(f"forewarn: the database does not answer: {reason} (`forewarn doctor` says more)", file=sys.stderr)
            return 1
        raise


def _wrong_variables(error: ValueError) -> str:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    wrong = [
        (f"FOREWARN_{'_'.join(map(str, found['loc'])).upper()} " if found["loc"] else "")
        + found["msg"].removeprefix("Value error, ")
        for found in error.errors()
    ]
    return "; ".join(wrong)


def _run(options: argparse.Namespace, settings: Settings) -> int:
    import gateway.models  # noqa: F401  every role works with all tables known

    match options.command:
        case "up":
            return _up(options, settings)
        case "api":
            return _api(options, settings)
        case "ingest":
            return _ingest(options, settings)
        case "worker":
            return _worker(settings)
        case "migrate":
            return _migrate(options, settings)
        case "doctor":
            return _doctor(options, settings)
        case "token":
            return _token(options, settings)
        case "device":
            return device_commands.run(options, settings, running_database_url)
        case "model":
            return model_commands.run(options, settings, running_database_url)
        case "import":
            return import_command.run(options, settings, running_database_url)
        case "documents":
            return document_commands.run(options, settings, running_database_url)
        case "evaluate":
            from ml.evaluation import evaluate_command
            from ml.spread import Spread

            return evaluate_command(options.folder, options.out, options.json, Spread(options.jobs, options.cluster))
        case "bench":
            return bench.run_bench(options, settings)
        case "chaos":
            from gateway.chaos.run import Options, chaos_command

            agents = max(1, options.agents)
            wanted = Options(options.minutes, options.seed, agents, as_json=options.json, keep=options.keep)
            return chaos_command(wanted)
    raise AssertionError(options.command)


def _up(options: argparse.Namespace, settings: Settings) -> int:
    from gateway import up
    from gateway.files import check_store
    from gateway.https import HTTPS_PORT

    if options.replay and not (options.replay / "fleet.json").is_file():
        print(f"forewarn: {options.replay} is no recorded fleet: it has no fleet.json.", file=sys.stderr)
        return 2
    if (wrong := check_store(settings)) is not None:
        print(f"forewarn: {wrong}", file=sys.stderr)
        return 2
    logging.getLogger().setLevel(logging.WARNING)  # people read this terminal; the roles log to files
    if options.lan:
        settings.public_url = settings.public_url or f"http://{up.lan_address()}:{settings.http_port}"
        settings.http = f"0.0.0.0:{settings.http_port}"
        settings.https = settings.https or f"0.0.0.0:{HTTPS_PORT}"
    return up.run(settings, up.Options(options.demo, options.replay, options.speed, options.lan, options.json))


def _api(options: argparse.Namespace, settings: Settings) -> int:
    from assets.base.db import Database
    from gateway.api.deps import POOL
    from gateway.api_processes import run_forked
    from gateway.app import make_app
    from gateway.files import check_store
    from gateway.public_limit import Limiter
    from gateway.serve import serve
    from gateway.wiring import routers

    if not settings.database_url:
        print(NEEDS_URLS, file=sys.stderr)
        return 2
    if (wrong := check_store(settings)) is not None:
        print(f"forewarn: {wrong}", file=sys.stderr)
        return 2
    url, shared = settings.database_url, options.workers > 1
    limiter = Limiter()  # one for all processes: what an address asks for does not double with them

    def answer() -> None:
        database = Database(url, pool_size=POOL)
        serve(make_app(settings, database, limiter), settings, shared=shared)
        database.dispose()

    if shared:
        routers()  # imports them all, before the processes part
        return run_forked(options.workers, answer)
    answer()
    return 0


def _ingest(options: argparse.Namespace, settings: Settings) -> int:
    from gateway.ingest_workers import run_workers
    from ingest.sparkplug.host import HostOptions
    from ingest.workers import MAX_SLOTS, run_ingest

    if not settings.database_url or not settings.broker_url:
        print(NEEDS_URLS, file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    slots = options.slots or max(1, options.workers)
    if not 0 < slots <= MAX_SLOTS:
        print(f"forewarn: --slots and --workers are 1 to {MAX_SLOTS}", file=sys.stderr)
        return 2
    if options.workers > 1:
        return run_workers(options.workers, slots, stop)
    on_subscribed = settings.ready_file.touch if settings.ready_file else None
    sparkplug = HostOptions(settings.sparkplug_host_id, settings.sparkplug_reorder_s)
    run_ingest(settings.database_url, settings.broker_url, stop, on_subscribed, slots=slots, sparkplug=sparkplug)
    return 0


def _worker(settings: Settings) -> int:
    from gateway.files import check_store
    from gateway.worker import run_worker

    if not settings.database_url:
        print(NEEDS_URLS, file=sys.stderr)
        return 2
    if (wrong := check_store(settings)) is not None:
        print(f"forewarn: {wrong}", file=sys.stderr)
        return 2
    run_worker(settings.database_url)
    return 0


def _migrate(options: argparse.Namespace, settings: Settings) -> int:
    from gateway.migrate import upgrade

    if not settings.database_url:
        print(NEEDS_URLS, file=sys.stderr)
        return 2
    upgrade(settings.database_url)
    print(json.dumps({"migrated": True}) if options.json else "The database is at the current schema.")
    return 0


def _doctor(options: argparse.Namespace, settings: Settings) -> int:
    from gateway.doctor import print_checks, run_doctor

    checks = run_doctor(settings.data, settings.database_url, settings.broker_url, settings.http)
    print_checks(checks, as_json=options.json)
    return 0 if all(check.ok for check in checks) else 1


def running_database_url(settings: Settings) -> str:
    """Return the database of the URL setting, or of the embedded server that runs in the data folder."""
    from gateway.supervise.errors import SupervisorError
    from gateway.supervise.postgres import EmbeddedPostgres

    if settings.database_url:
        return settings.database_url
    embedded = EmbeddedPostgres(settings.data)
    if not (settings.data / "processes.json").exists():
        raise SupervisorError(f"Nothing runs in {settings.data}: start `forewarn up` first, or name another --data.")
    return embedded.url


def _token(options: argparse.Namespace, settings: Settings) -> int:
    from sqlalchemy import select

    from assets.base.access import Role
    from assets.base.db import Database
    from assets.people import Organisation, root_organisation
    from gateway.sign_in import make_token

    try:
        role = Role(options.role)
    except ValueError:
        print(f"forewarn: role is one of {' '.join(Role)}", file=sys.stderr)
        return 2
    database = Database(running_database_url(settings), pool_size=1)
    with database.as_service() as session:
        wanted = select(Organisation).where(Organisation.name == options.org)
        organisation = session.scalar(wanted) if options.org else root_organisation(session)
        if organisation is None:
            print(f"forewarn: no organisation named {options.org!r}", file=sys.stderr)
            return 2
        token = make_token(session, organisation.id, role, datetime.now(UTC))
    print(json.dumps({"token": token, "role": role, "organisation": organisation.name}) if options.json else token)
    return 0


if __name__ == "__main__":
    sys.exit(main())
