"""Small facts that must survive a restart: the count of connections and the results of commands."""

from __future__ import annotations

from edge_agent import clock
from edge_agent.spool_file import SpoolFile

KEEP_COMMAND_RESULTS = 200
ZERO_DOUBT_MS = 250


class SpoolNotes(SpoolFile):
    """Kept in the spool's file, so that the agent has one file to keep safe."""

    def next_session(self) -> int:
        """Count one more connection, over all boots of this spool."""
        return self._guarded(self._next_session)

    def _next_session(self) -> int:
        with self._transaction():
            row = self._db.execute(
                "INSERT INTO fact VALUES ('session', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
                " RETURNING value"
            ).fetchall()
        return int(row[0][0])

    def keep_zero(self, os_zero_ms: int) -> None:
        """Keep what the server's clock showed when this run of the operating system began, for its boots' samples.

        Written when it changes by more than the measurement's own doubt: samples that are sent after the next power
        cut need it, since no clock of ours reaches back over that.
        """
        self._guarded(lambda: self._keep_zero(os_zero_ms))

    def _keep_zero(self, os_zero_ms: int) -> None:
        with self._transaction():
            self._db.execute(
                "UPDATE boot SET zero = ? + born WHERE os_boot = ? AND (zero IS NULL OR abs(zero - born - ?) > ?)",
                (os_zero_ms, clock.OS_BOOT, os_zero_ms, ZERO_DOUBT_MS),
            )

    def _clock_of(self, number: int) -> tuple[int | None, bool]:
        """Return the server's clock at `m` 0 of a boot, and whether that is of this run of the operating system."""
        row = self._guarded(
            lambda: self._db.execute("SELECT zero, os_boot FROM boot WHERE number = ?", (number,)).fetchone()
        )
        return (None, True) if row is None else (row[0], row[1] == clock.OS_BOOT)

    def keep_result(self, command_id: str, result: str, at: int) -> None:
        """Keep a command's result until it is sent, and a while longer to answer repeats of the command."""

        def work() -> None:
            with self._transaction():
                self._db.execute("INSERT OR REPLACE INTO command VALUES (?, ?, ?, 0)", (command_id, result, at))
                self._db.execute(
                    "DELETE FROM command WHERE id NOT IN (SELECT id FROM command ORDER BY at DESC LIMIT ?)",
                    (KEEP_COMMAND_RESULTS,),
                )

        self._guarded(work)

    def result_of(self, command_id: str) -> str | None:
        """Return the kept result of a command that was already carried out."""
        row = self._guarded(
            lambda: self._db.execute("SELECT result FROM command WHERE id = ?", (command_id,)).fetchone()
        )
        return None if row is None else str(row[0])

    def unsent_results(self) -> list[tuple[str, str]]:
        """Return (command id, result) not yet taken by the broker."""
        return self._guarded(
            lambda: self._db.execute("SELECT id, result FROM command WHERE sent = 0 ORDER BY at").fetchall()
        )

    def mark_result(self, command_id: str, sent: bool) -> None:
        """Note that the broker has (or must again be given) a command's result."""
        self._guarded(
            lambda: self._db.execute("UPDATE command SET sent = ? WHERE id = ?", (int(sent), command_id)).close()
        )
