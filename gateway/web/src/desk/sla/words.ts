/** The stored words of service levels, for choices. */
import type { Text } from "../../i18n/useText";

export const CLOCKS = ["response", "arrival", "restoration", "closing"] as const;
export const REASONS = ["customer", "parts", "access", "third_party", "approval", "weather", "tools", "safety", "other"];
export const PRIORITIES = ["urgent", "high", "normal", "low"];
export const ROLES = ["assignee", "team_leads", "dispatchers", "planners", "administrators", "person"];
export const SUBJECTS = ["case", "request", "work_order"];

export const words = (family: string, all: readonly string[], text: Text) => all.map((word) => ({ value: word, label: text.code(family, word) }));
