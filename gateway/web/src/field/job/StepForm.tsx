/** The answer to one step: large enough for gloves, judged while it is typed, kept on the phone until it is sent. */
import { Button, Textarea } from "@mantine/core";
import { Check, TriangleAlert, X } from "lucide-react";
import { useState } from "react";

import type { Me } from "../../api/types";
import { limits, words, type Run, type Step } from "../../desk/work/Checklist";
import { useText } from "../../i18n/useText";
import { Notice } from "../../ui/states";
import { newId } from "../ids";
import type { Job } from "../jobs";
import { push, useOutbox } from "../outbox";
import { Strip, TakePhoto, type Shot } from "../photos/Photos";
import { keepDrawing } from "../photos/taking";
import { isOut, photosNeeded } from "../steps";
import { NumberField } from "./NumberField";
import { SignaturePad } from "./SignaturePad";

type Props = { step: Step; run: Run; order: Job; me: Me; shots: Shot[]; done: () => void };

export function StepForm(props: Props) {
  const text = useText();
  const { step, run, order, me, shots } = props;
  const { act } = useOutbox();
  const before = run.answers[step.key];
  const [value, setValue] = useState<unknown>(before?.value ?? (step.multiple ? [] : null));
  const [note, setNote] = useState(before?.note ?? "");
  const [withNote, showNote] = useState(!!before?.note);
  const about = { order, run: run.id, step: step.key, caption: words(step, "title", text).slice(0, 200) };
  const evidence = [...new Set([...(before?.evidence_ids ?? []), ...shots.filter((shot) => !shot.photo?.problem).map((shot) => shot.id)])];
  const lacking = Math.max(0, photosNeeded(step) - evidence.length);
  const bare = step.kind === "photo" || step.kind === "signature";
  const empty = !bare && (value === null || value === "" || (Array.isArray(value) && value.length === 0));
  const out = isOut(step, value);
  const save = async (given: unknown, ids = evidence) => {
    const body = { run_id: run.id, step: step.key, value: given, evidence_ids: ids, note: note.trim() || undefined, answer_id: newId() };
    if (await act(me, { order, kind: "procedure.answer", body, needs: ids })) props.done();
  };
  const tell = async (given: boolean) => {
    setValue(given);
    // 'Yes' is the usual answer and needs no second touch; 'no' is out of limits and may want a word.
    if (given && lacking === 0 && !withNote) await save(true);
  };
  const sign = async (drawn: Blob) => {
    const id = await keepDrawing(drawn, { ...about, public: false }, me.person);
    void push();
    await save(null, [...evidence, id]);
  };
  return (
    <div className="stack stepform" style={{ gap: 12 }}>
      {words(step, "help", text) && <div className="break" style={{ fontSize: 15, lineHeight: 1.45 }}>{words(step, "help", text)}</div>}
      {step.kind === "check" && (
        <div className="row" style={{ gap: 10 }}>
          <Button className="grow" size="lg" variant={value === true ? "filled" : "default"} leftSection={<Check size={22} aria-hidden />} onClick={() => void tell(true)}>{text.t("sop.yes")}</Button>
          <Button className="grow" size="lg" variant={value === false ? "filled" : "default"} color="red" c={value === false ? undefined : "red.8"} leftSection={<X size={22} aria-hidden />} onClick={() => void tell(false)}>{text.t("sop.no")}</Button>
        </div>
      )}
      {(step.kind === "number" || step.kind === "meter") && <NumberField unit={step.unit} decimals={step.decimals} value={value as number | null} change={setValue} label={words(step, "title", text)} />}
      {step.kind === "choice" && <Choices step={step} value={value} change={setValue} label={words(step, "title", text)} />}
      {step.kind === "text" && <Textarea size="md" aria-label={words(step, "title", text)} value={(value as string | null) ?? ""} onChange={(event) => setValue(event.currentTarget.value)} autosize minRows={2} maxRows={8} maxLength={4000} />}
      {!empty && out && (
        <div role="alert"><Notice tone="trouble" icon={TriangleAlert}>
          <b>{text.t("check.out")}</b> {step.kind === "number" || step.kind === "meter" ? text.t("check.allowed", { limits: limits(step, text) }) : ""}
          {step.follow_up && <div>{text.t("check.follow_up", { title: (text.language === "zh" && step.follow_up.title_zh) || step.follow_up.title_en })}</div>}
        </Notice></div>
      )}
      {step.kind === "signature" ? <SignaturePad save={(drawn) => void sign(drawn)} label={text.t("sign.save")} /> : (
        <>
          <Strip shots={shots} />
          <TakePhoto about={about} me={me} filled={lacking > 0} label={text.t(lacking > 0 && photosNeeded(step) > 0 ? "check.take_left" : "photo.take", { count: lacking })} />
        </>
      )}
      {withNote ? <Textarea size="md" aria-label={text.t("finish.note")} placeholder={text.t("finish.note")} value={note} onChange={(event) => setNote(event.currentTarget.value)} autosize minRows={2} maxLength={1000} /> : <button type="button" className="plainbutton link" style={{ minHeight: 44 }} onClick={() => showNote(true)}>{text.t("check.add_note")}</button>}
      {step.kind !== "signature" && (
        <>
          {lacking > 0 && !empty && <div className="small" style={{ color: "#8f5a00", fontWeight: 560 }}>{text.t("check.photos_left", { count: lacking })}</div>}
          <Button size="lg" disabled={empty || lacking > 0} onClick={() => void save(bare ? null : value)}>{text.t("action.save")}</Button>
        </>
      )}
    </div>
  );
}

function Choices(props: { step: Step; value: unknown; change: (value: unknown) => void; label: string }) {
  const text = useText();
  const { step } = props;
  const held = Array.isArray(props.value) ? (props.value as string[]) : [];
  const on = (one: string) => (step.multiple ? held.includes(one) : props.value === one);
  const pick = (one: string) => props.change(step.multiple ? (on(one) ? held.filter((each) => each !== one) : [...held, one]) : one);
  return (
    <div className="stack" role={step.multiple ? "group" : "radiogroup"} aria-label={props.label}>
      {(step.choices ?? []).map((one) => (
        <button key={one.value} type="button" role={step.multiple ? "checkbox" : "radio"} aria-checked={on(one.value)} className="pick" onClick={() => pick(one.value)}>
          <span className={step.multiple ? "ring square" : "ring"} />
          <span className="grow break"><b>{text.language === "zh" ? one.zh : one.en}</b></span>
          {one.out_of_limit && on(one.value) && <TriangleAlert size={18} color="#b3261e" aria-label={text.t("check.out")} />}
        </button>
      ))}
    </div>
  );
}
