/** All photos of a job, those of its checklists too. */
import { Switch, TextInput } from "@mantine/core";
import { Camera } from "lucide-react";
import { useState } from "react";

import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Empty } from "../../ui/states";
import type { Job } from "../jobs";
import { unsentPhoto } from "../outbox";
import { Strip, TakePhoto, useShots } from "../photos/Photos";

export function PhotosTab(props: { order: Job; me: Me }) {
  const text = useText();
  const shots = useShots(props.order.id);
  const [caption, setCaption] = useState("");
  const [shown, show] = useState(true);
  const waiting = shots.filter((shot) => shot.photo && unsentPhoto(shot.photo));
  const bytes = waiting.reduce((sum, shot) => sum + shot.photo!.size - shot.photo!.offset, 0);
  const open = !["closed", "cancelled"].includes(props.order.state);
  return (
    <>
      {open && (
        <section className="card pad stack" style={{ gap: 12 }}>
          <TextInput size="md" label={text.t("photo.caption")} placeholder={text.t("photo.caption_example")} value={caption} onChange={(event) => setCaption(event.currentTarget.value)} maxLength={200} />
          <Switch size="lg" label={text.t("photo.public")} checked={shown} onChange={(event) => show(event.currentTarget.checked)} />
          <TakePhoto about={{ order: props.order, caption: caption.trim() || undefined, public: shown }} me={props.me} filled taken={() => setCaption("")} />
        </section>
      )}
      {waiting.length > 0 && <div className="small muted" role="status">{text.t("photo.left", { count: waiting.length, size: text.number(bytes / 1024, 0) })}</div>}
      {shots.length === 0 ? <Empty icon={Camera} sentence={text.t("photo.none")} example={text.t("photo.none_example")} /> : <section className="card pad"><Strip shots={shots} /></section>}
    </>
  );
}
