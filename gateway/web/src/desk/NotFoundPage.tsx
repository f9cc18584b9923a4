/** An address that leads nowhere. */
import { Button } from "@mantine/core";
import { Compass } from "lucide-react";
import { Link } from "react-router";

import { useText } from "../i18n/useText";
import { Empty } from "../ui/states";

export function NotFoundPage() {
  const { t } = useText();
  return (
    <Empty icon={Compass} sentence={t("not_found.sentence")} action={<Button component={Link} to="/">{t("not_found.action")}</Button>} />
  );
}
