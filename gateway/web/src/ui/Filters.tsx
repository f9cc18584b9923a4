/** What narrows a list: in one row on the desk; on the phone folded behind a button that counts what is set. */
import { Button } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { SlidersHorizontal } from "lucide-react";
import { useState, type ReactNode } from "react";

import { useText } from "../i18n/useText";

export function Filters(props: { search?: ReactNode; set: number; children: ReactNode }) {
  const { t } = useText();
  const phone = useMediaQuery("(max-width: 800px)", window.innerWidth <= 800);
  const [open, setOpen] = useState(false);
  if (!phone) return <div className="row wrap filters">{props.search}{props.children}</div>;
  return (
    <div className="filters">
      <div className="row" style={{ gap: 8 }}>
        {props.search && <div className="grow">{props.search}</div>}
        <Button variant={props.set > 0 ? "light" : "default"} px={12} leftSection={<SlidersHorizontal size={16} />} aria-expanded={open} onClick={() => setOpen(!open)}>{t("list.filters")}{props.set > 0 && ` (${props.set})`}</Button>
      </div>
      {open && <div className="row wrap" style={{ gap: 10, marginTop: 10 }}>{props.children}</div>}
    </div>
  );
}
