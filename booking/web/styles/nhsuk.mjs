// The behaviours of nhsuk-frontend 10.6.1 that our pages use. Every page works without them.
import { Button } from "nhsuk-frontend/dist/nhsuk/components/button/button.mjs";
import { ErrorSummary } from "nhsuk-frontend/dist/nhsuk/components/error-summary/error-summary.mjs";
import { NotificationBanner } from "nhsuk-frontend/dist/nhsuk/components/notification-banner/notification-banner.mjs";
import { SkipLink } from "nhsuk-frontend/dist/nhsuk/components/skip-link/skip-link.mjs";

document.body.classList.add("js-enabled", "nhsuk-frontend-supported");
for (const Part of [Button, ErrorSummary, NotificationBanner, SkipLink]) {
  for (const element of document.querySelectorAll(`[data-module="${Part.moduleName}"]`)) {
    try {
      new Part(element);
    } catch (fault) {
      console.error(fault);
    }
  }
}
