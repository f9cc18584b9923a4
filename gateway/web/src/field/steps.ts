/** The rules of a checklist, as the server has them (ticketing/procedures/steps.py): what is asked, what is out of limits. */
import type { Answer, Condition, Step } from "../desk/work/Checklist";

type Told = Record<string, { value: unknown; out: boolean }>;

/** The limit itself is inside. */
export function isOut(step: Step, value: unknown): boolean {
  if (step.kind === "check") return value === false;
  if (step.kind === "choice") return (step.choices ?? []).some((one) => one.out_of_limit && (Array.isArray(value) ? value.includes(one.value) : one.value === value));
  if (step.kind !== "number" && step.kind !== "meter") return false;
  if (typeof value !== "number" || !Number.isFinite(value)) return false;
  return (step.low != null && value < step.low) || (step.high != null && value > step.high);
}

function holds({ step, op, value: wanted }: Condition, told: Told): boolean {
  const found = told[step];
  if (!found) return false;
  const { value, out } = found;
  if (op === "answered") return true;
  if (op === "out_of_limit") return out;
  if (op === "above") return typeof value === "number" && value > Number(wanted);
  if (op === "below") return typeof value === "number" && value < Number(wanted);
  const same = Array.isArray(value) ? value.includes(wanted) : value === wanted;
  return op === "equals" ? same : !same;
}

export function judged(steps: Step[], answers: Record<string, Pick<Answer, "value">>): { asked: string[]; missing: string[]; out_of_limit: string[]; answers: Record<string, Answer> } {
  const told: Told = {};
  const asked = steps.filter((step) => {
    if (!(step.when ?? []).every((condition) => holds(condition, told))) return false;
    const given = answers[step.key];
    if (given) told[step.key] = { value: given.value, out: isOut(step, given.value) };
    return true;
  });
  return {
    asked: asked.map((step) => step.key),
    missing: asked.filter((step) => step.required && !answers[step.key]).map((step) => step.key),
    out_of_limit: asked.filter((step) => told[step.key]?.out).map((step) => step.key),
    answers: Object.fromEntries(Object.entries(answers).map(([key, given]) => [key, { ...given, out_of_limit: told[key]?.out ?? false }])) as Record<string, Answer>,
  };
}

/** The least number of photos without which a step cannot be answered. */
export const photosNeeded = (step: Step): number => (step.kind === "signature" ? Math.max(1, step.photos) : step.photos);
