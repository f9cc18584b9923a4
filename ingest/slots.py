"""The devices' topics as one of several sessions at a broker reads them: a slot."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence

from sqlalchemy.orm import Session

from edge_agent.wire import SENML, STATUS, TELEMETRY
from ingest.messages import Message, Prepared
from ingest.sources import DeviceTopics, Subscription

# The broker gives each message to one of the sessions in this group. A session that nobody reads would park its share,
# so every slot is leased, and taken over by another worker when its reader is gone.
SHARE = "$share/forewarn/"
MOST_HEARD = 200_000
_TELEMETRY_LEAVES = (f"/{TELEMETRY}", f"/{SENML}")


class SlotTopics(DeviceTopics):
    """Slot `number` of `count`. The first one also hears status, descriptions, results and questions for the time.

    `is_alone` False: there are other brokers, so commands go only to devices that were last heard here.
    """

    def __init__(self, number: int, count: int, *, is_alone: bool = True) -> None:
        super().__init__()
        self._number, self._count, self._is_alone = number, count, is_alone
        self._here: OrderedDict[str, None] = OrderedDict()

    def subscriptions(self) -> Sequence[Subscription]:
        """Return the shared or plain filters of telemetry, and in the first slot those of everything else."""
        if self._number >= self._count:
            return []
        wanted = []
        for each in super().subscriptions():
            if each.filter.endswith(_TELEMETRY_LEAVES):
                wanted.append(each if self._count == 1 else Subscription(SHARE + each.filter))
            elif self._number == 0:
                wanted.append(each)
        return wanted

    def unwanted(self) -> list[str]:
        """Return the filters that the session may still have from a time with another number of slots."""
        telemetry = [each.filter for each in super().subscriptions() if each.filter.endswith(_TELEMETRY_LEAVES)]
        if self._number < self._count and self._count > 1:
            return telemetry
        return [SHARE + each for each in telemetry]

    def prepare(self, message: Message) -> Prepared | None:
        """Decode telemetry, noting that its device is at this broker."""
        prepared = super().prepare(message)
        if not self._is_alone and prepared is not None and prepared.serial not in self._here:
            self._note(prepared.serial, is_here=True)
        return prepared

    def control(self, session: Session, message: Message) -> str | None:
        """Apply a message that is no telemetry; a status tells whether its device is at this broker."""
        if not self._is_alone and message.topic.endswith(f"/{STATUS}"):
            self._note(message.topic.split("/")[2], is_here=_says_online(message.payload))
        return super().control(session, message)

    def within_reach(self) -> Sequence[str] | None:
        """Return the serials that commands may be published to at this broker; None: all."""
        return None if self._is_alone else list(self._here)

    def _note(self, serial: str, *, is_here: bool) -> None:
        if is_here:
            self._here[serial] = None
            while len(self._here) > MOST_HEARD:
                self._here.popitem(last=False)
        else:
            self._here.pop(serial, None)


def _says_online(payload: bytes) -> bool:
    try:
        return bool(json.loads(payload)["online"])
    except (ValueError, KeyError, TypeError):
        return False
