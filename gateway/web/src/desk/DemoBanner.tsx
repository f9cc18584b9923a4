/** Says that the demo is a demo, and takes it away with one click. */
import { Button, Group, Modal } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { FlaskConical } from "lucide-react";
import { useLocation } from "react-router";

import { useAct } from "../api/hooks";
import type { Me } from "../api/types";
import { useText } from "../i18n/useText";
import { say } from "../ui/Providers";
import { errorText } from "../ui/states";

export function DemoBanner(props: { me: Me }) {
  const text = useText();
  const { pathname } = useLocation();
  const [asking, ask] = useDisclosure(false);
  const remove = useAct();
  const confirm = () =>
    remove.mutate(
      { path: "/demo", method: "DELETE" },
      {
        onSuccess: () => {
          ask.close();
          say(text.t("demo.removed"));
        },
        onError: (error) => say(errorText(error, text), "bad"),
      },
    );
  return (
    <div className={pathname === "/" ? "demo-banner" : "demo-banner elsewhere"}>
      <FlaskConical size={17} style={{ flex: "none" }} aria-hidden />
      <div className="grow" style={{ flexBasis: 220 }}>{text.t("demo.banner")}</div>
      {props.me.roles.includes("administrator") && (
        <Button size="compact-sm" variant="white" color="grape" onClick={ask.open}>{text.t("demo.remove")}</Button>
      )}
      <Modal opened={asking} onClose={ask.close} title={text.t("demo.ask_title")}>
        <p style={{ marginTop: 0 }}>{text.t("demo.ask")}</p>
        <Group justify="flex-end">
          <Button variant="default" onClick={ask.close}>{text.t("action.keep")}</Button>
          <Button color="red" loading={remove.isPending} onClick={confirm}>{text.t("demo.remove")}</Button>
        </Group>
      </Modal>
    </div>
  );
}
