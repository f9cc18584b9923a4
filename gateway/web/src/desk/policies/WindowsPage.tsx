/** Maintenance windows: while one lasts, nothing new opens for the machines it covers. */
import { Button } from "@mantine/core";
import { CalendarClock, Plus, Square, Trash2 } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { useAct } from "../../api/hooks";
import { useWindows, type Window } from "../../api/policies";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { PageHead, useTitle } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Bones, Empty, errorText, Loaded } from "../../ui/states";
import { decides } from "../alarms/AlarmsPage";
import { hoursText } from "./HoursInput";
import { PolicyTabs } from "./PolicyTabs";
import { WindowForm } from "./WindowForm";

export function WindowsPage() {
  const text = useText();
  const windows = useWindows();
  const may = decides(useOutletContext<Me>());
  const [adding, setAdding] = useState(false);
  useTitle(text.t("policies.tab.windows"));
  const add = may ? <Button leftSection={<Plus size={16} />} onClick={() => setAdding(true)}>{text.t("windows.add")}</Button> : undefined;
  return (
    <>
      <PageHead title={text.t("policies.tab.windows")} sub={text.t("windows.sub")} right={add} />
      <PolicyTabs />
      {adding && <WindowForm close={() => setAdding(false)} />}
      <Loaded of={windows} skeleton={<Bones rows={5} height={24} />}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty icon={CalendarClock} sentence={text.t("windows.empty")} action={add} example={text.t("windows.example")} />
          ) : (
            <div className="card">{page.items.map((window) => <Row key={window.id} window={window} may={may} />)}</div>
          )
        }
      </Loaded>
    </>
  );
}

function Row(props: { window: Window; may: boolean }) {
  const text = useText();
  const { window } = props;
  const act = useAct();
  const over = !window.active && window.next_start_at === null;
  const bad = (error: Error) => say(errorText(error, text), "bad");
  return (
    <div className="inset row wrap" style={{ gap: "6px 16px", paddingTop: 13, paddingBottom: 13, borderBottom: "1px solid var(--line-soft)" }}>
      <div className="grow" style={{ flexBasis: 260, opacity: over ? 0.65 : 1 }}>
        <div className="row wrap" style={{ gap: "4px 8px" }}>
          <span className="break" style={{ fontWeight: 620 }}>{window.name}</span>
          <Chip tone={window.active ? "watch" : "quiet"} small>{text.t(window.active ? "windows.now" : over ? "windows.over" : "windows.later")}</Chip>
        </div>
        <div className="small">{scopeText(window, text)} · <When window={window} /></div>
        {window.note && <div className="small muted break">“{window.note}”</div>}
      </div>
      {props.may && (
        <div className="row">
          {window.active && <Button size="compact-sm" variant="default" leftSection={<Square size={13} />} loading={act.isPending} onClick={() => act.mutate({ path: `/maintenance-windows/${window.id}/end` }, { onError: bad })}>{text.t("windows.end")}</Button>}
          <Button size="compact-sm" variant="subtle" color="red" px={6} aria-label={text.t("windows.remove", { name: window.name })} title={text.t("policies.remove")} onClick={() => act.mutate({ path: `/maintenance-windows/${window.id}`, method: "DELETE" }, { onError: bad })}><Trash2 size={15} /></Button>
        </div>
      )}
    </div>
  );
}

function scopeText(window: Window, text: ReturnType<typeof useText>): string {
  return window.scope.kind === "all" ? text.t("windows.scope.all") : `${text.code("windows.scope", window.scope.kind)} ${window.scope.name ?? "–"}`;
}

function When(props: { window: Window }) {
  const text = useText();
  const { window } = props;
  const span = `${text.moment(window.starts_at)} – ${window.ends_at ? text.moment(window.ends_at) : text.t("windows.open_ended")}`;
  if (!window.hours || Object.keys(window.hours).length === 0) return <span className="muted">{span}</span>;
  return <span className="muted">{hoursText(window.hours, text.t)}{window.time_zone && ` (${window.time_zone})`} · {span}</span>;
}
