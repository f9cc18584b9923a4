"""The tasks that workers run, by name: plain functions of (database, now)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from assets.base.consumers import register, run_consumer
from assets.base.db import Database
from assets.base.seals import seal_heads
from assets.documents.sweep import forget_runs, sweep
from assets.imports.service import run_waiting
from gateway.desk_jobs import return_put_off
from gateway.files import file_store
from gateway.forecast_jobs import keep_forecasts
from gateway.mail.polling import poll_mailboxes as read_mailboxes
from gateway.mail.sending import send_answers as send_mails
from gateway.notify.outbox import forget_told, send_waiting
from gateway.notify.reminders import keep_all
from gateway.notify.webhook_sending import forget_deliveries, send_batch
from gateway.plan_jobs import make_occurrences, release_occurrences, settle_plans, sync_plans, watch_conditions
from gateway.reports.mailing import mail_waiting
from gateway.reports.writing import write_waiting
from gateway.settings import Settings
from gateway.training import start_training
from gateway.wiring import CONSUMERS
from ingest.bursts import forget_bursts
from ingest.clones import end_suspicions
from ingest.held import release_held
from ingest.identity import tend_identities as renew_and_retire
from ingest.intervals import learn_intervals
from ingest.meter_feed import feed_meters as read_meters
from ingest.meter_feed import tell_operation
from ingest.retention import apply_retention as forget_readings
from ingest.roll_call import update_presence as mark_presence
from ingest.rollups import run_rollups
from ingest.store.schema import ensure_partitions as make_partitions
from maintenance.budget import reckon_all
from maintenance.episodes import decide_pending
from maintenance.feedback import end_expired
from maintenance.on_call import escalate as ask_next
from ml.bursts import read_bursts as read_waiting_bursts
from ml.counted import count_readings
from ml.late import amend_history as go_over_late_rows
from ml.learned_scoring import LearnedScorer
from ml.observed import count_observed
from ml.presence import mark_frozen, watch_devices
from ml.stillness import Stillness
from ml.store.retention import forget_models
from ml.store.shadow import settle_trials
from ml.taught import teach_peers
from ml.worker import Scorer
from ticketing.channels.calls import forget_deliveries as forget_signed
from ticketing.dispatch.modes import plan_waiting
from ticketing.evidence.uploads import forget_waiting
from ticketing.people.applications import forget as forget_applicants
from ticketing.sla_watch import watch

Job = Callable[[Database, datetime], None]

MAX_ROUNDS = 50  # a job gives its place back after so many batches, so that one backlog does not starve the others
KEEP_QUARANTINE = timedelta(days=30)
KEEP_HELD = timedelta(days=365)  # samples whose clock may still become known
KEEP_BATCHES = timedelta(days=90)
KEEP_APPLICANTS = timedelta(days=365)  # whoever was refused as a partner, or never confirmed

_FORGET_QUARANTINE = """
DELETE FROM quarantine WHERE received_at < :t AND (reason <> 'absurd_time' OR received_at < :held)
"""
# Not what a reader of the queue has yet to see.
_FORGET_BATCHES = """
DELETE FROM ingest_batches WHERE received_at < :t
AND (xid, id) <= ALL (SELECT xid, batch_id FROM scoring_cursors UNION ALL SELECT xid, batch_id FROM rollup_cursors)
"""

_STARTED = datetime.now(UTC)
_STILLNESS = Stillness()
_scorer: Scorer | None = None
_log_reader: LearnedScorer | None = None


def score_readings(database: Database, now: datetime) -> None:
    """Score what ingest has stored since last time; findings are saved."""
    global _scorer
    if _scorer is None or _scorer.database is not database:
        _scorer = Scorer(database)
    if _scorer.run(now):
        decide_findings(database, now)


def read_bursts(database: Database, now: datetime) -> None:
    """Turn bursts of fast sensors into readings."""
    for _ in range(MAX_ROUNDS):
        with database.as_service() as session:
            if not read_waiting_bursts(session, now):
                return


def amend_history(database: Database, now: datetime) -> None:
    """Score what came late; findings of the past are amended, and what they lead to is decided."""
    if go_over_late_rows(database, now):
        decide_findings(database, now)


def decide_findings(database: Database, now: datetime) -> None:
    """Decide what to do about findings that changed."""
    for _ in range(MAX_ROUNDS):
        with database.as_service() as session:
            if not decide_pending(session, now):
                return


def count_evidence(database: Database, now: datetime) -> None:
    """Count the stored readings that were beyond a limit, for alarms whose evidence moved."""
    with database.as_service() as session:
        count_readings(session, now)


def escalate_alarms(database: Database, now: datetime) -> None:
    """Ask the next person on call about grave alarms that nobody has acknowledged."""
    with database.as_service() as session:
        ask_next(session, now)


def send_notifications(database: Database, now: datetime) -> None:
    """Send the notifications that wait."""
    send_waiting(database, Settings(), now)


def keep_reminders(database: Database, now: datetime) -> None:
    """Bring reminders up to the dates that they follow, and tell those that are due."""
    keep_all(database, now)


def send_webhooks(database: Database, now: datetime) -> None:
    """Send events to the endpoints that hear of them."""
    settings = Settings()
    for _ in range(MAX_ROUNDS):
        if not send_batch(database, datetime.now(UTC), source=settings.base_url, allowed=settings.webhook_allowed):
            return


def write_reports(database: Database, now: datetime) -> None:
    """Write the reports that events asked for."""
    settings = Settings()
    write_waiting(database, file_store(settings), now, mail=bool(settings.smtp_url))


def mail_reports(database: Database, now: datetime) -> None:
    """Send new reports to customers."""
    settings = Settings()
    mail_waiting(database, file_store(settings), settings, now)


def poll_mailboxes(database: Database, now: datetime) -> None:
    """Take the mails that came into mailboxes."""
    read_mailboxes(database, Settings(), now)


def send_answers(database: Database, now: datetime) -> None:
    """Send what the desk answered to those who wrote by mail."""
    settings = Settings()
    send_mails(database, file_store(settings), settings, now)


def consume_events(database: Database, now: datetime) -> None:
    """Let every consumer catch up with the event log."""
    with database.as_service() as session:
        register(session, CONSUMERS)
    for consumer in CONSUMERS:
        for _ in range(MAX_ROUNDS):
            if not run_consumer(database, consumer, now):
                break


def watch_service_levels(database: Database, now: datetime) -> None:
    """Count the clocks of what changed, and tell people what is due soon or late."""
    for _ in range(MAX_ROUNDS):
        with database.as_service() as session:
            if not watch(session, now):
                return


def plan_dispatch(database: Database, now: datetime) -> None:
    """Make the plans that wait for a solver, and those that nobody has to ask for."""
    plan_waiting(database, now)


def update_presence(database: Database, now: datetime) -> None:
    """Mark devices online, stale or offline; silence becomes a finding."""
    with database.as_service() as session:
        mark_frozen(session)
        _STILLNESS.mark(session, now)
        mark_presence(session, now)
    with database.as_service() as session:
        watch_devices(session, now, _STARTED)


def roll_up(database: Database, now: datetime) -> None:
    """Bring the rollups of readings up to what was stored."""
    run_rollups(database, now)


def feed_meters(database: Database, now: datetime) -> None:
    """Let telemetry tell meters what they show, and assets whether they are up."""
    for _ in range(MAX_ROUNDS):
        with database.as_service() as session:
            if not read_meters(session, now):
                break
    with database.as_service() as session:
        tell_operation(session, now)


def tend_identities(database: Database, now: datetime) -> None:
    """Ask devices to renew their keys, retire what was replaced, end suspicions of twins that are over."""
    with database.as_service() as session:
        renew_and_retire(session, now)
        end_suspicions(session, now)


def repair_clocks(database: Database, now: datetime) -> None:
    """Store held samples of devices whose clocks are known by now; learn how often devices report."""
    for _ in range(MAX_ROUNDS):
        with database.as_service() as session:
            if not release_held(session, now):
                break
    with database.as_service() as session:
        learn_intervals(session, now)


def tend_feedback(database: Database, now: datetime) -> None:
    """End suppressors that ran out, count observed time, bring the budgets of false orders up to date."""
    with database.as_service() as session:
        end_expired(session, now)
        count_observed(session, now)
    for _ in range(MAX_ROUNDS):
        with database.as_service() as session:
            if not reckon_all(session, now):
                break


def train_models(database: Database, now: datetime) -> None:
    """Learn from what the store holds, in a process of its own, once there is an answer to learn from."""
    with database.as_service() as session:
        answered = session.scalar(text("SELECT EXISTS (SELECT 1 FROM labels)"))
    if answered:
        start_training(database, Settings().data)


def tend_models(database: Database, now: datetime) -> None:
    """Let figures decide which models serve, peers teach each other; forget what nobody will need."""
    with database.as_service() as session:
        settle_trials(session, now)
    with database.as_service() as session:
        teach_peers(session, now)
    with database.as_service() as session:
        forget_models(session, now)


def look_at_logs(database: Database, now: datetime) -> None:
    """Let stored models look at machines that send logs and no readings."""
    global _log_reader
    _log_reader = _log_reader or LearnedScorer()
    with database.as_service() as session:
        found = _log_reader.run_silent(session, now)
    if found:
        decide_findings(database, now)


def seal_events(database: Database, now: datetime) -> None:
    """Seal the heads of the event chains."""
    with database.as_service() as session:
        seal_heads(session, now)


def ensure_partitions(database: Database, now: datetime) -> None:
    """Make reading partitions ahead of time, never on the hot path. Needs the owner's rights."""
    with database.as_owner() as session:
        make_partitions(session, now)


def run_imports(database: Database, now: datetime) -> None:
    """Carry out the imports that wait."""
    run_waiting(database, file_store(Settings()), now)


def sweep_files(database: Database, now: datetime) -> None:
    """Forget imports of long ago, photos that never came whole, and files that nothing refers to."""
    with database.as_service() as session:
        forget_runs(session, now)
        forget_waiting(session, now)
    with database.as_service() as session:
        sweep(session, file_store(Settings()), now)


def forget_old_rows(database: Database, now: datetime) -> None:
    """Forget what is only kept for looking back a while."""
    with database.as_service() as session:
        session.execute(text(_FORGET_QUARANTINE), {"t": now - KEEP_QUARANTINE, "held": now - KEEP_HELD})
        session.execute(text(_FORGET_BATCHES), {"t": now - KEEP_BATCHES})
        session.execute(text("DELETE FROM sign_in_failures WHERE at < :t"), {"t": now - timedelta(days=1)})
        session.execute(text("DELETE FROM idempotency_keys WHERE created_at < :t"), {"t": now - timedelta(days=1)})
        forget_applicants(session, now, kept=KEEP_APPLICANTS)
        forget_deliveries(session, now)
        forget_signed(session, now)
        forget_told(session, now)


def forget_old_bursts(database: Database, now: datetime) -> None:
    """Keep to the bound of what devices' bursts take, in short transactions until nothing is over it."""
    while True:
        with database.as_service() as session:
            if not forget_bursts(session, now):
                return


def apply_retention(database: Database, now: datetime) -> None:
    """Forget readings and rollups that no policy keeps."""
    forget_readings(database, now)


JOBS: dict[str, Job] = {
    job.__name__: job
    for job in (
        score_readings,
        read_bursts,
        amend_history,
        decide_findings,
        count_evidence,
        escalate_alarms,
        send_notifications,
        keep_reminders,
        send_webhooks,
        write_reports,
        mail_reports,
        poll_mailboxes,
        send_answers,
        consume_events,
        watch_service_levels,
        plan_dispatch,
        update_presence,
        repair_clocks,
        make_occurrences,
        release_occurrences,
        watch_conditions,
        return_put_off,
        settle_plans,
        sync_plans,
        keep_forecasts,
        tend_identities,
        roll_up,
        feed_meters,
        tend_feedback,
        train_models,
        tend_models,
        look_at_logs,
        seal_events,
        run_imports,
        sweep_files,
        ensure_partitions,
        forget_old_rows,
        forget_old_bursts,
        apply_retention,
    )
}
