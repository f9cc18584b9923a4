/** Where the machines are: points on a map that stays smooth with ten thousand of them. */
import { Map as MapIcon } from "lucide-react";
import { lazy, Suspense, useState } from "react";

import { useList, useOne } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { Filters } from "../../ui/Filters";
import { Pick, type Chosen } from "../../ui/Pick";
import { PageHead, useTitle } from "../../ui/parts";
import { Bones, Empty, Loaded } from "../../ui/states";
import { AssetTabs } from "./AssetTabs";
import { SITES } from "./look";
import type { Spot } from "./mapDraw";
import type { Tiles } from "./mapTiles";

const PointMap = lazy(() => import("./PointMap").then((made) => ({ default: made.PointMap })));

export function MapPage() {
  const text = useText();
  const [site, setSite] = useState<Chosen | null>(null);
  const spots = useList<Spot>("/assets/map", { site_id: site?.id, limit: undefined });
  const drawn = useOne<{ tiles: Tiles | null }>("/map-settings");
  useTitle(text.t("assets.tab.map"));
  return (
    <>
      <PageHead title={text.t("nav.assets")} sub={text.t("map.sub")} />
      <AssetTabs />
      <Filters set={site ? 1 : 0}><div className="filter"><Pick of={SITES} value={site} change={setSite} placeholder={text.t("col.site")} /></div></Filters>
      <Loaded of={spots} skeleton={<Bones rows={8} height={40} />}>
        {(page) => {
          const placed = page.items.filter((spot) => spot.latitude_deg !== null && spot.longitude_deg !== null);
          return placed.length === 0 ? <Empty icon={MapIcon} sentence={text.t("map.empty")} example={text.t("map.example")} /> : <Suspense fallback={<Bones rows={8} height={40} />}><PointMap spots={placed} tiles={drawn.data?.tiles ?? null} key={site?.id ?? ""} /></Suspense>;
        }}
      </Loaded>
    </>
  );
}
