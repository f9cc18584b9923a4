/** A button that does one thing: at once, or after its form (a reason, a date, an amount) was filled in. */
import { Button, type ButtonProps } from "@mantine/core";
import type { LucideIcon } from "lucide-react";
import { useState, type ReactNode } from "react";

import { newKey } from "../api/client";
import { useSend } from "../api/rows";
import { useText } from "../i18n/useText";
import { FormModal, problemText, type Field, type FormProps } from "./Form";
import { say } from "./Providers";

type Look = { label: string; icon?: LucideIcon; small?: boolean; primary?: boolean; danger?: boolean; disabled?: boolean; wide?: boolean };

function look(props: Look): ButtonProps & { leftSection?: ReactNode } {
  const Icon = props.icon;
  return {
    variant: props.primary ? "filled" : "default",
    size: props.small ? "compact-sm" : "sm",
    color: props.danger && props.primary ? "red" : undefined,
    c: props.danger && !props.primary ? "red.8" : undefined,
    leftSection: Icon && <Icon size={props.small ? 14 : 16} />,
    disabled: props.disabled,
    fullWidth: props.wide,
  };
}

/** Opens a form. */
export function FormButton(props: Look & { form: Omit<FormProps, "close" | "title"> & { title?: string } }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button {...look(props)} onClick={() => setOpen(true)}>{props.label}</Button>
      {open && <FormModal submit={props.label} {...props.form} title={props.form.title ?? props.label} close={() => setOpen(false)} />}
    </>
  );
}

/** Acts at once; what can hardly be undone should ask for a reason with FormButton instead. */
export function ActButton(props: Look & { path: string; body?: unknown; method?: string; version?: number | null; done?: string; after?: (answer: any) => void }) {
  const text = useText();
  const send = useSend<unknown>();
  const go = () =>
    send.mutate(
      { path: props.path, body: props.body, method: props.method ?? "POST", version: props.version ?? undefined, key: (props.method ?? "POST") === "POST" ? newKey() : undefined },
      {
        onSuccess: (answer) => { if (props.done) say(text.t(props.done)); props.after?.(answer); },
        onError: (error) => say(problemText(error, text), "bad"),
      },
    );
  return <Button {...look(props)} loading={send.isPending} onClick={go}>{props.label}</Button>;
}

export const REASON: Field = { name: "reason", label: "order.reason", kind: "area", required: true, most: 500 };
