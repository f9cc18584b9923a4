/** What a claim label's QR code opens: the line to type at the machine, ready to copy. */
import { useParams } from "react-router";

import { useText } from "../i18n/useText";
import mark from "../ui/mark.svg";
import { Command, LanguageSwitch, useTitle } from "../ui/parts";

export function ClaimPage() {
  const { code = "" } = useParams();
  const { t } = useText();
  useTitle(t("claim.title"));
  return (
    <div className="signin">
      <div className="row" style={{ padding: "18px 20px", maxWidth: 900, width: "100%", margin: "0 auto", boxSizing: "border-box" }}>
        <span className="brand" style={{ padding: 0 }}><img src={mark} width={30} height={30} alt="" />Forewarn</span>
        <span className="grow" /><LanguageSwitch />
      </div>
      <main className="box">
        <h1 style={{ fontSize: 22, margin: "0 0 6px", fontWeight: 680, letterSpacing: "-0.015em" }}>{t("claim.title")}</h1>
        <p className="muted" style={{ margin: "0 0 16px", fontSize: 15 }}>{t("claim.hint")}</p>
        <Command line={`forewarn-edge claim ${location.origin}/claim/${encodeURIComponent(code)}`} />
        <p className="small muted" style={{ margin: "14px 0 0" }}>{t("claim.once")}</p>
      </main>
    </div>
  );
}
