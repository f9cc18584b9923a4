/** Alarms: what is in trouble and who knows it; what is held back and why; what is over. */
import { SegmentedControl } from "@mantine/core";
import { BellOff, BellRing, History } from "lucide-react";
import { useOutletContext, useSearchParams } from "react-router";

import { useAlarms, useHeldBack, useHolds, type Alarm } from "../../api/alarms";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { PageHead, useTitle } from "../../ui/parts";
import { Bones, Empty, Loaded } from "../../ui/states";
import { AlarmCard } from "./AlarmCard";
import { HeldBack } from "./HeldBack";
import { HoldsCard } from "./HoldsCard";

const VIEWS = ["open", "held", "over"] as const;
const DECIDES = ["administrator", "planner"];

export const decides = (me: Me): boolean => me.roles.some((role) => DECIDES.includes(role));

// What nobody has acknowledged comes first, then the graver, then the newer.
const STATES = ["unacknowledged", "returned_unacknowledged", "acknowledged"];
const SEVERITIES = ["critical", "warning", "info"];
const rank = (list: string[], word: string) => (list.includes(word) ? list.indexOf(word) : list.length);
const pressing = (one: Alarm, other: Alarm) =>
  rank(STATES, one.alarm_state) - rank(STATES, other.alarm_state) ||
  rank(SEVERITIES, one.severity) - rank(SEVERITIES, other.severity) ||
  other.opened_at.localeCompare(one.opened_at);

export function AlarmsPage() {
  const text = useText();
  const [params, setParams] = useSearchParams();
  const view = params.get("view") ?? "open";
  useTitle(text.t("nav.alarms"));
  return (
    <>
      <PageHead title={text.t("nav.alarms")} sub={text.t("alarms.sub")} />
      <div className="scroll" style={{ marginBottom: 14 }}>
        <SegmentedControl value={view} onChange={(value) => setParams({ view: value }, { replace: true })} data={VIEWS.map((name) => ({ value: name, label: text.t(`alarms.view.${name}`) }))} />
      </div>
      {view === "held" ? <Held /> : <Alarms open={view === "open"} key={view} />}
    </>
  );
}

function Alarms(props: { open: boolean }) {
  const text = useText();
  const alarms = useAlarms(props.open);
  return (
    <Loaded of={alarms} skeleton={<Bones rows={8} height={24} />}>
      {(page) =>
        page.items.length === 0 ? (
          <Empty icon={props.open ? BellRing : History} sentence={text.t(props.open ? "alarms.empty.open" : "alarms.empty.over")} example={text.t("alarms.example")} />
        ) : (
          <div className="stack" style={{ gap: 12 }}>
            {(props.open ? [...page.items].sort(pressing) : page.items).map((alarm) => <AlarmCard key={alarm.id} alarm={alarm} />)}
          </div>
        )
      }
    </Loaded>
  );
}

function Held() {
  const text = useText();
  const me = useOutletContext<Me>();
  const held = useHeldBack();
  const holds = useHolds();
  return (
    <div className="stack" style={{ gap: 16 }}>
      {(holds.data?.items.length ?? 0) > 0 && <HoldsCard holds={holds.data!.items} manage={decides(me)} />}
      <Loaded of={held} skeleton={<Bones rows={6} height={24} />}>
        {(page) =>
          page.items.length === 0 ? <Empty icon={BellOff} sentence={text.t("alarms.empty.held")} example={text.t("alarms.held_example")} /> : <HeldBack findings={page.items} />
        }
      </Loaded>
    </div>
  );
}
