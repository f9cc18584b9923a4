/** The server's generated types must fit what the pages expect; a difference fails the type check, nothing runs. */
import type * as alarms from "./alarms";
import type * as devices from "./devices";
import type * as mappings from "./mappings";
import type * as explain from "./explain";
import type * as models from "./models";
import type * as performance from "./performance";
import type * as policies from "./policies";
import type { components } from "./schema";
import type * as sparkplug from "./sparkplug";
import type * as page from "./types";

type Schema = components["schemas"];

/** Stored words are plain strings for the server; the pages name the ones they know. */
export type Loose<T> = T extends string
  ? string
  : T extends (infer One)[]
    ? Loose<One>[]
    : T extends object
      ? { [Key in keyof T]: Loose<T[Key]> }
      : T;

export type Fits<Server extends Loose<Page>, Page> = Server;

export type Agreed = [
  Fits<Schema["Overview"], page.Overview>,
  // Repair codes are the asset model's own JSON.
  Fits<Omit<Schema["AssetDetail"], "repair_codes">, Omit<page.AssetDetail, "repair_codes">>,
  Fits<Schema["TimelineItem"], page.TimelineItem>,
  Fits<Schema["AssetReadings"], page.Readings>,
  Fits<Schema["Expected"], page.Expected>,
  Fits<Schema["FindingItem"], page.Finding>,
  Fits<Schema["EpisodeItem"], page.Episode>,
  Fits<Schema["PredictedJobItem"], page.PredictedJob>,
  Fits<Schema["WorkOrderDetail"], page.WorkOrder>,
  Fits<Schema["RequestItem"], page.CustomerRequest>,
  Fits<Schema["DeviceItem"], page.Device>,
  Fits<Schema["DeviceDetail"], page.DeviceDetail>,
  Fits<Schema["RegisteredDevice"], page.NewDevice>,
  Fits<Schema["FirstReading"], page.FirstReading>,
  Fits<Schema["TechnicianItem"], page.Technician>,
  Fits<Schema["PersonItem"], page.Person>,
  Fits<Schema["PersonDetail"], page.PersonDetail>,
  Fits<Schema["Link"], page.SignInLink>,
  // Only API tokens are without a person; the pages sign in as one.
  Fits<Omit<Schema["Me"], "person">, Omit<page.Me, "person">>,
  Fits<NonNullable<Schema["Me"]["person"]>, page.Me["person"]>,
  Fits<Schema["DeviceIdentity"], devices.Identity>,
  Fits<Schema["Provisioned"], devices.Bulk>,
  // A mapping's rules are checked by the server in a form of their own.
  Fits<Omit<Schema["MappingItem"], "rules">, Omit<mappings.Mapping, "rules">>,
  Fits<Omit<Schema["CreatedMapping"], "rules">, Omit<mappings.NewMapping, "rules">>,
  Fits<Schema["TrialResult"], mappings.Tried>,
  Fits<Schema["HeardItem"], mappings.Heard>,
  Fits<Schema["SparkplugNodePage"], sparkplug.NodePage>,
  Fits<Schema["SparkplugNodeDetail"], sparkplug.NodeMetrics>,
  Fits<Schema["RegisteredSparkplugNode"], { node: sparkplug.Node; account: sparkplug.Account }>,
  Fits<Schema["HeldFacts"], devices.Held>,
  Fits<Schema["EpisodeItem"], alarms.Alarm>,
  Fits<Schema["EpisodeDetail"], alarms.AlarmDetail>,
  Fits<Schema["HoldItem"], alarms.AlarmHold>,
  Fits<Schema["NotificationItem"], alarms.Told>,
  Fits<Schema["Policies"], policies.Policies>,
  Fits<Schema["ReplayResult"], policies.Replay>,
  Fits<Schema["WindowItem"], policies.Window>,
  Fits<Schema["OnCallItem"], policies.OnCallList>,
  Fits<Schema["SiteItem"], policies.Named>,
  Fits<Schema["gateway__api__asset_models__ModelItem"], policies.Named>,
  Fits<Schema["PerformancePage"], performance.Performance>,
  Fits<Schema["JudgedOrder"], performance.JudgedOrder>,
  Fits<Schema["VerdictItem"], performance.Verdict>,
  Fits<Schema["HeldBackItem"], performance.HeldRow>,
  Fits<Schema["SuppressorItem"], performance.Suppressor>,
  Fits<Schema["FeedbackSettingsItem"], performance.FeedbackSettings>,
  Fits<Schema["AlarmBudgetItem"], performance.AlarmBudget>,
  Fits<Schema["gateway__api__model_rows__ModelDetail"], models.ModelDetail>,
  Fits<Schema["ModelCheck"], models.Verified>,
  Fits<Schema["Shadow"], models.Shadow>,
  Fits<Schema["TrainingRunItem"], models.TrainingRun>,
  Fits<Schema["Explanation"], explain.Explanation>,
  Fits<Schema["ReproductionItem"], explain.Reproduced>,
  Fits<Schema["RemainingLifeItem"], explain.RemainingLife>,
  Fits<Schema["SimilarItem"], explain.SimilarOrder>,
];
