/** A half-written finish form outlives a reload, a call, an empty battery. */
import { useCallback, useEffect, useState } from "react";

import type { Half } from "../ui/FinishForm";
import { store } from "./store";

/** The draft (undefined while it is read), a function that keeps it, one that drops it. */
export function useDraft(id: string): [Half | null | undefined, (half: Half) => void, () => void] {
  const [draft, setDraft] = useState<Half | null | undefined>(undefined);
  useEffect(() => {
    store.drafts.get(id).then((found) => setDraft(found ?? null), () => setDraft(null));
  }, [id]);
  const keep = useCallback(
    (half: Half) => {
      if (half.outcome || half.note || half.repair_code) void store.drafts.put({ id, ...half, at: Date.now() }).catch(() => undefined);
    },
    [id],
  );
  const drop = useCallback(() => {
    setDraft(null);
    void store.drafts.delete(id).catch(() => undefined);
  }, [id]);
  return [draft, keep, drop];
}
