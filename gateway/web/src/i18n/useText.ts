/** Texts, codes and numbers in the reader's language, from one hook. */
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import type { Language } from "../api/types";
import { formats, type Formats } from "./format";

type Params = Record<string, unknown>;

export type Text = Formats & {
  language: Language;
  t: (key: string, params?: Params) => string;
  /** The text of a stored word, for instance code("state", "in_progress"); an unknown word is shown readably. */
  code: (family: string, word: string | null | undefined, params?: Params) => string;
  has: (key: string) => boolean;
};

export function useText(): Text {
  const { t, i18n } = useTranslation();
  return useMemo(() => {
    const language: Language = i18n.language.startsWith("zh") ? "zh" : "en";
    const has = (key: string) => i18n.exists(key);
    return {
      ...formats(language),
      language,
      has,
      t: (key, params) => String(t(key, params ?? {})),
      code: (family, word, params) => {
        if (!word) return "–";
        const key = `${family}.${word}`;
        return has(key) ? String(t(key, params ?? {})) : readable(word);
      },
    };
  }, [t, i18n, i18n.language]);
}

export function readable(word: string): string {
  const words = word.replace(/[_.]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
