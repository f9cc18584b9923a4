/** A new maintenance window: which machines, from when to when, once or in the same hours again and again. */
import { Button, Checkbox, Modal, SegmentedControl, Select, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";

import { useAct, useOverview } from "../../api/hooks";
import { named, useAssetModels, useSites } from "../../api/policies";
import { useText } from "../../i18n/useText";
import { say } from "../../ui/Providers";
import { errorText, Notice } from "../../ui/states";
import { HoursInput, type Hours } from "./HoursInput";

const SCOPES = ["asset", "site", "model", "all"] as const;
const FIELD: Record<string, string> = { asset: "asset_id", site: "site_id", model: "asset_model_id" };

/** What <input type="datetime-local"> shows for a moment. */
export const local = (at: number): string => new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

export function WindowForm(props: { close: () => void; asset?: { id: string; name: string } }) {
  const text = useText();
  const [name, setName] = useState("");
  const [scope, setScope] = useState<string>("asset");
  const [id, setId] = useState<string | null>(props.asset?.id ?? null);
  const [from, setFrom] = useState(() => local(Date.now()));
  const [to, setTo] = useState(() => local(Date.now() + 4 * 3_600_000));
  const [weekly, setWeekly] = useState(false);
  const [hours, setHours] = useState<Hours>({});
  const [note, setNote] = useState("");
  const act = useAct();
  const wrong = to !== "" && !(new Date(from) < new Date(to));
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const send = () =>
    act.mutate(
      {
        path: "/maintenance-windows",
        body: {
          name: name.trim(),
          ...(scope === "all" ? {} : { [FIELD[scope]!]: id }),
          starts_at: new Date(from).toISOString(),
          ends_at: to ? new Date(to).toISOString() : null,
          ...(weekly ? { hours, time_zone: zone } : {}),
          note: note.trim() || null,
        },
      },
      { onSuccess: () => (say(text.t("windows.added")), props.close()) },
    );
  const ready = name.trim() && from && (to || weekly) && !wrong && (scope === "all" || id) && (!weekly || Object.keys(hours).length > 0);
  return (
    <Modal opened onClose={props.close} title={text.t("windows.add")} size="lg">
      <div className="stack" style={{ gap: 14 }}>
        <TextInput required label={text.t("policies.name")} placeholder={text.t("windows.name_example")} value={name} maxLength={120} onChange={(event) => setName(event.currentTarget.value)} data-autofocus />
        {props.asset ? <div className="small">{text.t("windows.scope.asset")} <b>{props.asset.name}</b></div> : <Scope scope={scope} id={id} change={(next, which) => (setScope(next), setId(which))} />}
        <div className="row wrap top" style={{ gap: 12 }}>
          <TextInput className="grow" style={{ flexBasis: 190 }} type="datetime-local" label={text.t("export.from")} value={from} onChange={(event) => setFrom(event.currentTarget.value)} error={wrong ? text.t("export.wrong_range") : undefined} />
          <TextInput className="grow" style={{ flexBasis: 190 }} type="datetime-local" label={weekly ? text.t("windows.to_optional") : text.t("export.to")} value={to} onChange={(event) => setTo(event.currentTarget.value)} />
        </div>
        <Checkbox label={text.t("windows.weekly")} checked={weekly} onChange={(event) => { setWeekly(event.currentTarget.checked); if (event.currentTarget.checked) { setTo(""); setHours(Object.fromEntries(["0", "1", "2", "3", "4"].map((day) => [day, [["22:00", "02:00"]]]))); } }} />
        {weekly && <HoursInput label={text.t("windows.hours", { zone })} hours={hours} change={setHours} />}
        <Textarea label={text.t("finish.note")} value={note} maxLength={500} autosize minRows={2} onChange={(event) => setNote(event.currentTarget.value)} />
        {act.error && <Notice tone="trouble">{errorText(act.error, text)}</Notice>}
        <Button loading={act.isPending} disabled={!ready} onClick={send}>{text.t("windows.add")}</Button>
      </div>
    </Modal>
  );
}

function Scope(props: { scope: string; id: string | null; change: (scope: string, id: string | null) => void }) {
  const text = useText();
  const assets = useOverview().data?.assets ?? [];
  const sites = useSites().data?.items ?? [];
  const models = useAssetModels().data?.items ?? [];
  const lists: Record<string, { value: string; label: string }[]> = {
    asset: assets.map((one) => ({ value: one.id, label: `${one.name} · ${one.serial}` })),
    site: sites.map((one) => ({ value: one.id, label: named(one, text.language) })),
    model: models.map((one) => ({ value: one.id, label: named(one, text.language) })),
  };
  return (
    <div className="stack" style={{ gap: 8 }}>
      <SegmentedControl size="xs" value={props.scope} onChange={(next) => props.change(next, null)} data={SCOPES.map((word) => ({ value: word, label: text.t(`windows.scope.${word}`) }))} />
      {props.scope !== "all" && <Select aria-label={text.t(`windows.scope.${props.scope}`)} placeholder={text.t("windows.which")} searchable value={props.id} onChange={(id) => props.change(props.scope, id)} data={lists[props.scope] ?? []} limit={100} nothingFoundMessage="–" />}
    </div>
  );
}
