/** A sheet that comes up from below, within the thumb's reach. */
import { Drawer } from "@mantine/core";
import type { ReactNode } from "react";

export function BottomSheet(props: { opened: boolean; close: () => void; title: string; size?: string; children: ReactNode }) {
  return (
    <Drawer opened={props.opened} onClose={props.close} position="bottom" size={props.size ?? "lg"} title={<span style={{ fontWeight: 660, fontSize: 18 }}>{props.title}</span>} styles={{ content: { borderRadius: "16px 16px 0 0", maxWidth: 640, margin: "0 auto", ...(props.size ? {} : { height: "auto", flex: "0 0 auto", maxHeight: "92dvh" }) }, body: { paddingBottom: 32 } }} closeButtonProps={{ size: 44, iconSize: 24 }}>
      {props.children}
    </Drawer>
  );
}
