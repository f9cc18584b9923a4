/** English and Simplified Chinese; the choice is remembered on this device. */
import i18next from "i18next";
import { initReactI18next } from "react-i18next";

import type { Language } from "../api/types";
import en from "./en.json";
import zh from "./zh.json";

const REMEMBERED = "forewarn.language";

function first(): Language {
  const asked = new URLSearchParams(location.search).get("lang");
  const said = asked ?? read() ?? navigator.language;
  return said.toLowerCase().startsWith("zh") ? "zh" : "en";
}

function read(): string | null {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null; // storage may be forbidden; the browser's language serves
  }
}

export const remembered = (): boolean => read() !== null;

export function setLanguage(language: Language): void {
  try {
    localStorage.setItem(REMEMBERED, language);
  } catch {
    // not remembered, still applied
  }
  void i18next.changeLanguage(language);
}

function show(language: string): void {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

void i18next.use(initReactI18next).init({
  resources: { en: { translation: en }, zh: { translation: zh } },
  lng: first(),
  fallbackLng: "en",
  keySeparator: false,
  nsSeparator: false,
  interpolation: { escapeValue: false },
  returnNull: false,
});
show(i18next.language);
i18next.on("languageChanged", show);

export default i18next;
