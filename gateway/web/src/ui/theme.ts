/** Type, colours and defaults of every page. */
import { createTheme, type MantineColorsTuple } from "@mantine/core";

const sea: MantineColorsTuple = [
  "#e8f6f5", "#d5eae9", "#aad3d1", "#7cbbb8", "#57a7a3", "#3f9a96", "#2f8a86", "#1d7470", "#0f6662", "#005753",
];
const ink: MantineColorsTuple = [
  "#f7f9fa", "#eff2f5", "#e3e8ed", "#d5dce2", "#c6cfd7", "#93a0ac", "#73818e", "#52606d", "#33424f", "#14202b",
];

export const theme = createTheme({
  fontFamily:
    '"Inter Variable", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", system-ui, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", "Noto Sans Mono", Menlo, Consolas, monospace',
  primaryColor: "sea",
  primaryShade: 7,
  colors: { sea, gray: ink },
  black: "#14202b",
  defaultRadius: "md",
  headings: { fontWeight: "650", sizes: { h1: { fontSize: "1.5rem", lineHeight: "1.25" } } },
  components: {
    Button: { defaultProps: { size: "sm" } },
    Badge: { defaultProps: { tt: "none", fw: 550, radius: "sm" } },
    Modal: { defaultProps: { centered: true, radius: "md" } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 250 } },
    Select: { defaultProps: { allowDeselect: false } },
  },
});

/** One colour per meaning; every use goes with an icon and a word. */
export const TONES = {
  trouble: { ink: "#b3261e", fill: "#fdf0ee", line: "#f1c7c2" },
  watch: { ink: "#8f5a00", fill: "#fff6e3", line: "#f0dcae" },
  learning: { ink: "#3b52b4", fill: "#eef1fd", line: "#cfd7f7" },
  ok: { ink: "#1f7a4d", fill: "#ebf6ef", line: "#c5e4d0" },
  quiet: { ink: "#52616f", fill: "#eef1f4", line: "#d6dde3" },
  model: { ink: "#6b3fa0", fill: "#f5effc", line: "#dfcff2" },
} as const;

export type Tone = keyof typeof TONES;
