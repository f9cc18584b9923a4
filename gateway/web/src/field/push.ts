/** Whether this browser is told of new work while nobody looks at it. */
import { api, post } from "../api/client";

export type PushState = "absent" | "denied" | "off" | "on";

const ready = async (): Promise<ServiceWorkerRegistration | null> => {
  if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) return null;
  return (await navigator.serviceWorker.getRegistration("/m")) ?? null;
};

export async function pushState(): Promise<PushState> {
  const registration = await ready();
  if (!registration) return "absent";
  if (Notification.permission === "denied") return "denied";
  return (await registration.pushManager.getSubscription()) ? "on" : "off";
}

const bytes = (word: string): Uint8Array<ArrayBuffer> => {
  const plain = atob(word.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
};

export async function pushOn(): Promise<PushState> {
  const registration = await ready();
  if (!registration) return "absent";
  if ((await Notification.requestPermission()) !== "granted") return pushState();
  const { public_key } = await api<{ public_key: string }>("/push-key");
  const held = await registration.pushManager.getSubscription();
  const made = held ?? (await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(public_key) }));
  const { endpoint, keys } = made.toJSON();
  await post("/push-subscriptions", { endpoint, keys, device: deviceName() });
  return "on";
}

export async function pushOff(): Promise<PushState> {
  const registration = await ready();
  const held = await registration?.pushManager.getSubscription();
  await held?.unsubscribe(); // the push service says 410 next time, and the server forgets it
  return pushState();
}

/** Such as "Android · Chrome": how a person tells their telephones apart. */
function deviceName(): string {
  const agent = navigator.userAgent;
  const system = /Android|iPhone|iPad|Windows|Macintosh|Linux/.exec(agent)?.[0] ?? "";
  const browser = /Edg|Firefox|Chrome|Safari/.exec(agent)?.[0] ?? "";
  return [system, browser.replace("Edg", "Edge")].filter(Boolean).join(" · ").slice(0, 200) || "browser";
}
