/** Erasing a person or a customer: what it changes and what stays is shown first, then the name is typed once more. */
import { Button, Modal } from "@mantine/core";
import { Eraser } from "lucide-react";
import { useState } from "react";

import { useOne } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { REASON } from "../../ui/Act";
import { FormModal, type Field } from "../../ui/Form";
import { Bones, Loaded, Notice } from "../../ui/states";

type Counted = { place: string; rows: number };
type Erasure = { name: string; changed: Counted[]; kept: Counted[]; holds: Counted[]; shared_name: boolean };

const CONFIRM: Field = { name: "confirm", label: "erase.confirm", required: true, most: 200 };

export function Erase(props: { path: string; name: string; version: number; small?: boolean; after?: () => void }) {
  const text = useText();
  const [step, go] = useState<"" | "look" | "sure">("");
  const path = `${props.path}/erasure`;
  const close = () => go("");
  return (
    <>
      <Button size={props.small ? "compact-sm" : "sm"} color="red" variant="light" leftSection={<Eraser size={14} />} onClick={() => go("look")}>{text.t("erase.erase")}</Button>
      {step === "look" && <Modal opened onClose={close} title={text.t("erase.title", { name: props.name })}><Look path={path} next={() => go("sure")} close={close} /></Modal>}
      {step === "sure" && <FormModal danger title={text.t("erase.title", { name: props.name })} note={text.t("erase.last", { name: props.name })} path={path} version={props.version} now={props.path} fields={[REASON, CONFIRM]} submit={text.t("erase.erase")} done="erase.done" after={props.after} close={close} />}
    </>
  );
}

function Look(props: { path: string; next: () => void; close: () => void }) {
  const text = useText();
  const found = useOne<Erasure>(props.path);
  return (
    <Loaded of={found} skeleton={<Bones rows={5} />}>
      {(data) => (
        <div className="stack" style={{ gap: 12 }}>
          <div>{text.t("erase.what")}</div>
          <div><b>{text.t("erase.changed", { rows: data.changed.reduce((sum, one) => sum + one.rows, 0), places: data.changed.length })}</b></div>
          {data.kept.map((one) => <div key={one.place} className="small">{text.t(`erase.kept.${one.place}`, { rows: one.rows })}</div>)}
          {data.shared_name && <Notice tone="watch">{text.t("erase.shared")}</Notice>}
          {data.holds.length > 0 && <Notice tone="trouble">{text.t("erase.holds")} {data.holds.map((one) => `${text.code("holds", one.place)}: ${one.rows}`).join(", ")}</Notice>}
          <div className="small muted">{text.t("erase.files")}</div>
          <div className="row" style={{ gap: 8, justifyContent: "flex-end" }}>
            <Button variant="default" onClick={props.close}>{text.t("action.cancel")}</Button>
            <Button color="red" disabled={data.holds.length > 0} onClick={props.next}>{text.t("erase.next")}</Button>
          </div>
        </div>
      )}
    </Loaded>
  );
}
