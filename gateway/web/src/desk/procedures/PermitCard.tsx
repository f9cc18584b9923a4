/** A safety permit of a checklist: who is signed on, whose locks are where, and the one thing that comes next. */
import { Button, TextInput } from "@mantine/core";
import { Lock, LockOpen, LogIn, LogOut, ShieldAlert, ShieldCheck } from "lucide-react";
import { useState } from "react";

import { useText, type Text } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { isOn, lacking, replay, unlocked, type Permit, type PermitAction, type PermitEntry } from "./permits";

type Enter = (permit: string, action: PermitAction, more?: { point?: string; lock_number?: string; of_person_id?: string; note?: string }) => Promise<unknown> | void;
type Props = { permits: Permit[]; entries: PermitEntry[]; me: string; desk?: boolean; can: boolean; begin: boolean; large?: boolean; enter: Enter };

export const permitName = (one: { name_en: string; name_zh: string }, text: Text): string => (text.language === "zh" && one.name_zh) || one.name_en;
export const permitLacks = (permit: Permit, missing: string[], text: Text): string => text.t("permit.lacks", { permit: permitName(permit, text), missing: missing.map((one) => text.code("permit_missing", one)).join(text.language === "zh" ? "、" : ", ") });

export function Permits(props: Props) {
  return <>{props.permits.map((permit) => <One key={permit.code} permit={permit} {...props} />)}</>;
}

function One(props: Props & { permit: Permit }) {
  const text = useText();
  const { permit, me, can, large } = props;
  const stands = replay(permit, props.entries);
  const mine = stands.on.some((one) => one.person?.id === me);
  const missing = lacking(permit, stands, Date.now(), props.desk ? null : me);
  const open = unlocked(permit, stands);
  const holding = Object.values(stands.locks).some((held) => held.some((one) => one.person?.id === me));
  const size = large ? "md" : "compact-sm";
  const step = (action: PermitAction, icon: React.ReactNode, primary = true) => (
    <Button key={action} size={size} variant={primary ? "filled" : "default"} leftSection={icon} onClick={() => void props.enter(permit.code, action)}>{text.t(`permit.do.${action}`)}</Button>
  );
  return (
    <div className="inset" style={{ padding: large ? 14 : 12, borderRadius: 10, marginBottom: 10 }} data-permit={permit.code}>
      <div className="row wrap" style={{ gap: "4px 8px" }}>
        {missing.length === 0 ? <ShieldCheck size={18} aria-hidden /> : <ShieldAlert size={18} aria-hidden />}
        <b className="break grow">{permitName(permit, text)} <span className="small muted">{text.code("permit_kind", permit.kind)} · {permit.code}</span></b>
        <Chip small tone={missing.length === 0 ? "ok" : isOn(stands) ? "watch" : "quiet"}>{text.t(missing.length === 0 ? "permit.in_force" : isOn(stands) ? "permit.not_yet" : "permit.off")}</Chip>
      </div>
      {missing.length > 0 && props.begin && <div className="small muted break" style={{ marginTop: 4 }}>{permitLacks(permit, missing, text)}</div>}
      {stands.on.map((one) => <div key={one.person?.id ?? one.at} className="small" style={{ marginTop: 4 }}>{text.t("permit.on_since", { name: one.person?.name ?? "–", at: text.moment(one.at) })}</div>)}
      {permit.lock_out && permit.points.map((point) => (
        <PointRow key={point.code} {...props} permit={permit} point={point.code} name={`${permitName(point, text)} (${point.code}) · ${text.code("permit_energy", point.energy)}`} held={stands.locks[point.code] ?? []} may={can && mine && props.begin} />
      ))}
      {stands.confirmed && <div className="small" style={{ marginTop: 6 }}>{text.t("permit.confirmed_by", { name: stands.confirmed.person?.name ?? "–", at: text.moment(stands.confirmed.at) })}</div>}
      {can && (
        <div className="row wrap" style={{ gap: 8, marginTop: 10 }}>
          {props.begin && (!mine || missing.includes("expired")) && step("sign_on", <LogIn size={16} />)}
          {props.begin && mine && permit.lock_out && open.length === 0 && !stands.confirmed && step("confirm", <ShieldCheck size={16} />)}
          {mine && !holding && step("sign_off", <LogOut size={16} />, false)}
          {mine && holding && <span className="small muted">{text.t("permit.locks_first")}</span>}
        </div>
      )}
    </div>
  );
}

function PointRow(props: Props & { permit: Permit; point: string; name: string; held: { person: { id: string; name: string } | null; at: string; number: string | null }[]; may: boolean }) {
  const text = useText();
  const { permit, point, held, me, large } = props;
  const [number, setNumber] = useState("");
  const [note, setNote] = useState<string | null>(null);
  const mine = held.find((one) => one.person?.id === me);
  const size = large ? "sm" : "compact-xs";
  return (
    <div className="line" style={{ padding: "6px 0" }}>
      <div className="row wrap" style={{ gap: "4px 8px" }}>
        {held.length > 0 ? <Lock size={16} aria-label={text.t("permit.locked")} /> : <LockOpen size={16} aria-label={text.t("permit.unlocked")} />}
        <span className="grow break">{props.name}</span>
        {props.may && !mine && <>
          <TextInput size={large ? "sm" : "xs"} style={{ width: 110 }} aria-label={text.t("permit.lock_number")} placeholder={text.t("permit.lock_number")} value={number} onChange={(event) => setNumber(event.currentTarget.value)} maxLength={60} />
          <Button size={size} leftSection={<Lock size={14} />} onClick={() => void props.enter(permit.code, "lock", { point, lock_number: number.trim() || undefined })}>{text.t("permit.do.lock")}</Button>
        </>}
        {props.can && mine && <Button size={size} variant="default" leftSection={<LockOpen size={14} />} onClick={() => void props.enter(permit.code, "unlock", { point })}>{text.t("permit.do.unlock")}</Button>}
      </div>
      {held.map((one) => (
        <div key={one.person?.id ?? one.at} className="row wrap small muted" style={{ gap: 8, paddingLeft: 24 }}>
          <span className="break">{[one.person?.name ?? "–", one.number, text.moment(one.at)].filter(Boolean).join(" · ")}</span>
          {props.desk && one.person && one.person.id !== me && (note === null
            ? <Button size="compact-xs" variant="subtle" color="red" onClick={() => setNote("")}>{text.t("permit.take_off")}</Button>
            : <><TextInput size="xs" className="grow" aria-label={text.t("order.reason")} placeholder={text.t("order.reason")} value={note} onChange={(event) => setNote(event.currentTarget.value)} maxLength={1000} /><Button size="compact-xs" color="red" disabled={!note.trim()} onClick={() => { void props.enter(permit.code, "unlock", { point, of_person_id: one.person!.id, note }); setNote(null); }}>{text.t("permit.take_off")}</Button></>)}
        </div>
      ))}
    </div>
  );
}
