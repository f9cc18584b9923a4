/** Sign in with a password, or with a one-time link that only a pressed button uses up. */
import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { useSearchParams } from "react-router";

import { post } from "../api/client";
import type { Me } from "../api/types";
import { useText } from "../i18n/useText";
import mark from "./mark.svg";
import { LanguageSwitch } from "./parts";
import { errorText, Notice } from "./states";

const SHORTEST_PASSWORD = 10;
const DESK = ["administrator", "planner", "dispatcher", "storekeeper", "analyst"];

/** Only places of this site are gone to afterwards. */
function target(wanted: string | null, me: Me): string {
  if (wanted?.startsWith("/") && !wanted.startsWith("//")) return wanted;
  return ["technician", "partner"].some((role) => me.roles.includes(role)) && !me.roles.some((role) => DESK.includes(role)) ? "/m" : "/";
}

export function SignInForm(props: { onSignedIn?: (me: Me) => Promise<void> }) {
  const text = useText();
  const client = useQueryClient();
  const [params] = useSearchParams();
  const token = params.get("token");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const [byPassword, setByPassword] = useState(token === null);
  const send = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const me = byPassword
        ? await post<Me>("/sign-in", { email: email.trim(), password })
        : await post<Me>("/sign-in/link", { token, ...(password ? { password } : {}) });
      client.clear();
      await props.onSignedIn?.(me);
      location.assign(target(params.get("to"), me));
    } catch (problem) {
      setError(problem as Error);
      setBusy(false);
    }
  };
  const short = !byPassword && password.length > 0 && password.length < SHORTEST_PASSWORD;
  return (
    <div className="signin">
      <div className="row" style={{ padding: "18px 20px", maxWidth: 900, width: "100%", margin: "0 auto", boxSizing: "border-box" }}>
        <span className="brand" style={{ padding: 0 }}><img src={mark} width={30} height={30} alt="" />Forewarn</span>
        <span className="grow" /><LanguageSwitch />
      </div>
      <main className="box">
        <h1 style={{ fontSize: 22, margin: "0 0 6px", fontWeight: 680, letterSpacing: "-0.015em" }}>{byPassword ? text.t("sign_in.title") : text.t("sign_in.link_title")}</h1>
        <p className="muted" style={{ margin: "0 0 20px", fontSize: 15 }}>{byPassword ? text.t("sign_in.sub") : text.t("sign_in.link_sub")}</p>
        <form onSubmit={(event) => void send(event)} className="stack" style={{ gap: 16 }}>
          {byPassword && <TextInput size="md" required type="email" autoComplete="username" label={text.t("sign_in.email")} value={email} onChange={(event) => setEmail(event.currentTarget.value)} />}
          <PasswordInput
            size="md"
            required={byPassword}
            autoComplete={byPassword ? "current-password" : "new-password"}
            label={byPassword ? text.t("sign_in.password") : text.t("sign_in.new_password")}
            description={byPassword ? undefined : text.t("sign_in.new_password_hint", { count: SHORTEST_PASSWORD })}
            error={short ? text.t("sign_in.too_short", { count: SHORTEST_PASSWORD }) : undefined}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          {error && <Notice tone="trouble">{errorText(error, text)}</Notice>}
          <Button type="submit" size="md" loading={busy} disabled={short}>{text.t("sign_in.action")}</Button>
        </form>
        {token !== null ? (
          <button type="button" className="plainbutton small" style={{ color: "#0f6662", fontWeight: 560, marginTop: 16 }} onClick={() => { setByPassword(!byPassword); setError(null); setPassword(""); }}>
            {byPassword ? text.t("sign_in.use_link") : text.t("sign_in.use_password")}
          </button>
        ) : (
          <p className="small muted" style={{ margin: "18px 0 0" }}>{text.t("sign_in.help")}</p>
        )}
      </main>
    </div>
  );
}
