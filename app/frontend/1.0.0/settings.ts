import path from "node:path";
import * as z from "zod";
import { required, serviceSettings } from "../../service/1.0.0/settings";

export const frontendSettings = serviceSettings.extend({
  /** Where the backend is, without a path: "http://backend:8080". */
  BACKEND_URL: required
    .refine(isOrigin, { error: "must be like http://backend:8080" })
    .transform((text) => new URL(text)),
  /** The folder that holds index.html, styles.css, icon.svg and page.js. */
  PAGE_FOLDER: z.string().default(path.join(__dirname, "page")),
});
export type FrontendSettings = z.output<typeof frontendSettings>;

function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, pathname, search, hash, username } = new URL(text);
  return protocol === "http:" && pathname === "/" && `${search}${hash}${username}` === "";
}
