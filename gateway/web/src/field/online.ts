/** Whether the phone says that it has a network. */
import { useSyncExternalStore } from "react";

function subscribe(listener: () => void): () => void {
  window.addEventListener("online", listener);
  window.addEventListener("offline", listener);
  return () => {
    window.removeEventListener("online", listener);
    window.removeEventListener("offline", listener);
  };
}

export const useOnlineStatus = (): boolean => useSyncExternalStore(subscribe, () => navigator.onLine);
