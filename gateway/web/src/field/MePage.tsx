/** Who is signed in on this phone. */
import { Button } from "@mantine/core";
import { LayoutDashboard, LogOut } from "lucide-react";
import { useOutletContext } from "react-router";

import { post } from "../api/client";
import type { Me } from "../api/types";
import { useText } from "../i18n/useText";
import { Facts, LanguageSwitch, LicencesLink } from "../ui/parts";
import { forgetKept } from "./kept";
import { useOutbox } from "./outbox";

export function MePage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const { entries } = useOutbox();
  const leave = async () => {
    await post("/sign-out").catch(() => undefined);
    forgetKept(); // the next person on this phone sees nothing of this one's
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
            [text.t("field.unsent"), text.number(entries.length)],
            ["Forewarn", me.server.version],
          ]}
        />
      </section>
      {desk && <Button component="a" href="/" size="md" variant="default" leftSection={<LayoutDashboard size={18} />}>{text.t("field.to_desk")}</Button>}
      <Button size="md" variant="default" leftSection={<LogOut size={18} />} onClick={() => void leave()}>{text.t("action.sign_out")}</Button>
      <p className="small muted" style={{ textAlign: "center" }}><LicencesLink /></p>
    </>
  );
}
