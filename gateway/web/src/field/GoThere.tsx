/** Buttons that open the way to a place in the phone's maps; what is drawn in China is shifted as its maps are. */
import { Button } from "@mantine/core";
import { Navigation } from "lucide-react";

import { useText } from "../i18n/useText";
import { navigation } from "../ui/navigation";
import type { Spot } from "./jobs";

export function GoThere(props: { spot: Spot; name: string }) {
  const text = useText();
  if (props.spot.latitude_deg === null || props.spot.longitude_deg === null) return null;
  return (
    <div className="row wrap" style={{ gap: 6, marginTop: 12 }} role="group" aria-label={text.t("sites.navigate")}>
      {navigation(props.spot.latitude_deg, props.spot.longitude_deg, props.name).map((map, index) => (
        <Button key={map.name} component="a" href={map.href} target="_blank" rel="noreferrer" size="md" px={12} fz={15} style={{ flex: "1 1 auto" }} variant={index === 0 ? "light" : "default"} leftSection={index === 0 ? <Navigation size={17} aria-hidden /> : undefined}>{text.t(`sites.via.${map.name}`)}</Button>
      ))}
    </div>
  );
}
