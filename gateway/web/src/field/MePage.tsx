/** Who is signed in on this phone. */
import { Button, Modal } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { LayoutDashboard, LogOut } from "lucide-react";
import { useState } from "react";
import { Link, useOutletContext } from "react-router";

import { ApiError, post } from "../api/client";
import type { Me } from "../api/types";
import { useText } from "../i18n/useText";
import { Facts, LanguageSwitch, LicencesLink } from "../ui/parts";
import { errorText, Notice } from "../ui/states";
import { useInstalled } from "./install";
import { forgetAll } from "./kept";
import { unsentPhoto, useOutbox } from "./outbox";
import { PhoneMessages } from "./PhoneMessages";
import { pushOff } from "./push";

export function MePage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const { entries, photos } = useOutbox();
  const { offline, persisted } = useInstalled();
  const unsent = [...entries.filter((entry) => entry.sent === null), ...photos.filter(unsentPhoto)];
  const own = unsent.filter((one) => one.person.id === me.person.id).length;
  const [asking, ask] = useDisclosure(false);
  const [error, setError] = useState<Error | null>(null);
  const leave = async () => {
    ask.close();
    await pushOff().catch(() => undefined); // whoever comes next is not told of this one's work
    try {
      await post("/sign-out");
    } catch (problem) {
      // Without the server the session would stay open, and look closed.
      if (!(problem instanceof ApiError && problem.status === 401)) return setError(problem as Error);
    }
    await forgetAll(); // the next person on this phone sees nothing of this one's; what is unsent stays
    location.assign("/m/sign-in");
  };
  const desk = me.roles.some((role) => role !== "technician");
  return (
    <>
      <h1>{me.person.name}</h1>
      <section className="card pad">
        <Facts
          rows={[
            [text.t("people.roles"), me.roles.map((role) => text.code("role", role)).join(", ")],
            [text.t("sign_in.email"), me.person.email ?? "–"],
            [text.t("field.organisation"), me.organisation.name],
            [text.t("nav.language"), <LanguageSwitch signedIn />],
            [text.t("field.unsent"), unsent.length > 0 ? <Link to="/unsent" className="link">{text.number(unsent.length)}</Link> : text.number(0)],
            [text.t("field.without_network"), !offline && !window.isSecureContext ? <a href="/trust" className="link">{text.t("field.without_network_http")}</a> : text.t(!offline ? "field.without_network_no" : persisted ? "field.without_network_kept" : "field.without_network_yes")],
            ["Forewarn", me.server.version],
          ]}
        />
      </section>
      <PhoneMessages />
      {desk && <Button component="a" href="/" size="md" variant="default" leftSection={<LayoutDashboard size={18} />}>{text.t("field.to_desk")}</Button>}
      <Button size="md" variant="default" leftSection={<LogOut size={18} />} onClick={() => (own > 0 ? ask.open() : void leave())}>{text.t("action.sign_out")}</Button>
      {error && <Notice tone="trouble">{text.t("field.sign_out_failed")} {errorText(error, text)}</Notice>}
      <Modal opened={asking} onClose={ask.close} title={text.t("action.sign_out")}>
        <div className="stack" style={{ gap: 14 }}>
          <div>{text.t("field.sign_out_unsent", { count: own })}</div>
          <Button size="md" onClick={() => void leave()}>{text.t("action.sign_out")}</Button>
          <Button size="md" variant="default" onClick={ask.close}>{text.t("action.cancel")}</Button>
        </div>
      </Modal>
      <p className="small muted" style={{ textAlign: "center" }}><LicencesLink /></p>
    </>
  );
}
