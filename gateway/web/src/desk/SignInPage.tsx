/** The desk's sign-in page. */
import { useText } from "../i18n/useText";
import { useTitle } from "../ui/parts";
import { SignInForm } from "../ui/SignInForm";

export function SignInPage() {
  const { t } = useText();
  useTitle(t("sign_in.title"));
  return <SignInForm />;
}
