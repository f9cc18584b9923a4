/** The places around people: who signs in, who is sent, what they can do, and when and where they work. */
import { useText } from "../../i18n/useText";
import { Tabs } from "../../ui/Tabs";

const PLACES: [string, string, string][] = [
  ["/people", "people.tab.people", "people.read"],
  ["/people/technicians", "people.tab.technicians", "technician.read"],
  ["/people/skills", "people.tab.skills", "technician.read"],
  ["/people/teams", "people.tab.teams", "technician.read"],
  ["/people/shifts", "people.tab.shifts", "technician.read"],
  ["/people/absences", "people.tab.absences", "absence.request"],
  ["/people/territories", "people.tab.territories", "technician.read"],
  ["/people/timesheets", "people.tab.timesheets", "timesheet.own"],
  ["/people/applications", "people.tab.applications", "partner_application.decide"],
];

export function PeopleTabs() {
  const { t } = useText();
  return <Tabs tabs={PLACES.map(([to, label, action]) => ({ to, label: t(label), action }))} label={t("nav.people")} />;
}
