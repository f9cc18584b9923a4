/** Metrics in words: the asset model's label when there is one, else the stored name taken apart. */
import type { Language } from "../api/types";

type Labelled = { metric: string; label_en?: string | null; label_zh?: string | null };

// A metric's name ends with its unit; the unit is shown beside the value.
const UNIT_ENDINGS =
  /_(celsius|kelvin|rankine|percent|psia|psi|lbm_s|pa|kpa|bar|mbar|a|ma|ampere|v|volt|kw|w|kwh|hz|rpm|mm_s|mm|m_s|g|s|hours|m3_s|m3_min|m3_h|l_min|l_s|bytes_per_s|bytes|count)$/;

const CHINESE: Record<string, string> = {
  abs: "绝对值", acceleration: "加速度", acoustic: "声学", active: "有功", air: "空气", all: "全部", ambient: "环境", angle: "角度", annulus: "环空", apparent: "视在", average: "平均", axial: "轴向", band: "频段",
  battery: "电池", bearing: "轴承", belt: "皮带", bleed: "引气", body: "机体", bottom: "底部", brine: "盐水",
  bus: "总线", bypass: "旁路", casing: "壳体", chilled: "冷冻", choke: "油嘴", coil: "线圈", compressor: "压缩机", concentration: "浓度", de: "驱动端", nde: "非驱动端",
  condenser: "冷凝器", conductivity: "电导率", coolant: "冷却液", count: "计数", crest: "峰值因数", demand: "需求", density: "密度",
  difference: "差", displacement: "位移", door: "门", downstream: "下游", dust: "粉尘", engine: "发动机", enthalpy: "焓", entering: "进",
  environment: "环境", error: "误差", exhaust: "排气", factor: "因数", feed: "给料", fluid: "流体", force: "力", front: "前", fuel: "燃料",
  hydraulic: "液压", input: "输入", kurt: "峭度", kurtosis: "峭度", leakage: "泄漏", leaving: "出", left: "左", lower: "下", main: "主",
  max: "最大", maximum: "最大", min: "最小", minimum: "最小", moisture: "水分", noise: "噪声", nozzle: "喷嘴", output: "输出", peak: "峰值",
  phase: "相", pipe: "管道", process: "过程", radial: "径向", rate: "速率", ratio: "比", reactive: "无功", rear: "后", right: "右",
  rotation: "旋转", rotational: "旋转", sensor: "传感器", setting: "设定", skew: "偏度", spindle: "主轴", state: "状态", steam: "蒸汽",
  strain: "应变", surface: "表面", target: "目标", thrust: "推力", time: "时间", tool: "刀具", top: "顶部", upper: "上", upstream: "上游",
  vacuum: "真空度", viscosity: "粘度", wear: "磨损", weight: "重量", wheel: "车轮", wind: "风", x: "X", y: "Y", z: "Z",
  cooling: "冷却", core: "核心", cpu: "处理器", current: "电流", cycles: "循环数", delta: "差", differential: "压差",
  discharge: "出口", disk: "磁盘", drive: "驱动端", efficiency: "效率", energy: "能耗", evaporator: "蒸发器",
  fan: "风扇", filter: "过滤器", flow: "流量", free: "可用", frequency: "频率", gas: "气", gearbox: "齿轮箱",
  head: "扬程", heat: "热", horizontal: "水平", hours: "小时", humidity: "湿度", inlet: "进口", in: "进", inputs: "输入", outputs: "输出", lift: "举",
  level: "液位", load: "负载", machine: "机器", mean: "平均", memory: "内存", mode: "运行模式", motor: "电机",
  network: "网络", non: "非", oil: "油", outlet: "出口", out: "出", outside: "室外", position: "开度", power: "功率",
  pressure: "压力", pump: "泵", received: "接收", receive: "接收", return: "回水", rms: "有效值", room: "室内",
  root: "根分区", rotor: "转子", running: "运行", runtime: "运行时间", sent: "发送", send: "发送", setpoint: "设定值",
  shaft: "轴", signal: "信号", speed: "转速", stator: "定子", suction: "吸入", supply: "供水", swap: "交换区",
  system: "系统", tank: "罐", temperature: "温度", throughput: "流量", torque: "扭矩", total: "总", transmit: "发送",
  tubing: "油管", unit: "机组", uptime: "已运行时间", used: "占用", utilisation: "利用率", value: "数值", valve: "阀门",
  velocity: "速度", vertical: "垂直", vibration: "振动", voltage: "电压", volume: "体积", water: "水", winding: "绕组",
};

export function metricLabel(of: Labelled | string, language: Language): string {
  const item: Labelled = typeof of === "string" ? { metric: of } : of;
  const given = language === "zh" ? item.label_zh : item.label_en;
  // Without an asset model the server repeats the stored name; the words below read better.
  const plain = given === item.metric.replaceAll("_", " ") || given === item.metric;
  return given && !plain ? given : spoken(item.metric, language);
}

const SHORT_FORMS = new Set(["cpu", "de", "epr", "gpu", "h", "io", "jus", "mon", "nde", "phi", "ram", "u", "v", "w", "x", "y", "z"]);
// Quantities that a stored name may begin with: 'pressure_tpt' is the pressure at TPT.
const QUANTITIES = new Set(["current", "flow", "level", "power", "pressure", "speed", "temperature", "vibration", "voltage"]);

/** 'tpt' and 'pdg' are tags of instruments, no words: they are written in capitals. */
function tag(word: string): string | null {
  if (/^[A-Z][A-Z0-9]*$/.test(word)) return word;
  return SHORT_FORMS.has(word) || /^([bcdfghjklmnpqrstvwxz]{2,5}|[a-z]{1,5}\d+[a-z]?)$/.test(word) ? word.toUpperCase() : null;
}

function spoken(metric: string, language: Language): string {
  const bare = metric.replace(UNIT_ENDINGS, "");
  const words = bare.split(/[_\s.]+/).filter(Boolean);
  if (language === "zh") {
    if (words.includes("flow")) words.splice(0, words.length, ...words.filter((word) => word !== "rate")); // 流量 is both
    const [first = "", ...rest] = words;
    // Chinese says the quantity last: TPT 压力.
    if (QUANTITIES.has(first) && rest.length && rest.every((word) => !CHINESE[word] && tag(word))) words.push(words.shift() as string);
    const said = words.map((word) => CHINESE[word.toLowerCase()] ?? tag(word) ?? (/^\d+$/.test(word) ? word : null));
    // Half a translation reads worse than the stored name.
    if (said.every((word) => word !== null) && words.some((word) => CHINESE[word.toLowerCase()])) return joined(said);
  }
  const plain = words.map((word) => tag(word) ?? word).join(" ");
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

/** Chinese words stand together, tags and digits apart. */
function joined(words: (string | null)[]): string {
  return words.join(" ").replace(/([^\x00-\x7f]) (?=[^\x00-\x7f])/g, "$1").replace("压力差", "压差");
}
