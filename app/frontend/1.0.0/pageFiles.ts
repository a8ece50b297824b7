import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

const assetTypes = {
  "styles.css": "text/css; charset=utf-8",
  "page.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml",
};

/** How often a browser is sent to look for another release's file behind the same address. */
const mostTries = 8;

/**
 * Serves the page from memory. The document names its files with the hash of their contents, so that
 * browsers may keep them for ever; the document itself is checked each time.
 * @throws Error if a file is missing
 */
export function servePage(app: FastifyInstance, folder: string, release: string): void {
  let page = readFileSync(path.join(folder, "index.html"), "utf8").replaceAll(
    "{{release}}",
    release,
  );
  for (const [name, type] of Object.entries(assetTypes)) {
    const content = readFileSync(path.join(folder, name));
    const version = hashOf(content);
    page = page.replaceAll(`"/${name}"`, `"/${name}?v=${version}"`);
    app.get<{ Querystring: { v?: string; try?: string } }>(`/${name}`, (request, reply) => {
      const { v: wanted = version, try: tries = "0" } = request.query;
      // While two releases serve, one's document may ask the other for its files: send the browser
      // off to come back on a new connection, which the Service may lead to the right one.
      if (wanted !== version && Number(tries) < mostTries) {
        const again = new URLSearchParams({ v: wanted, try: String(Number(tries) + 1) });
        return reply
          .header("connection", "close")
          .header("cache-control", "no-store")
          .redirect(`/${name}?${again.toString()}`, 307);
      }
      const lifetime =
        request.query.v === version ? "public, max-age=31536000, immutable" : "no-cache";
      return sendFile(request, reply, { content, type, version, lifetime });
    });
  }
  const content = Buffer.from(page);
  const document = { content, type: "text/html; charset=utf-8", version: hashOf(content) };
  app.get("/", (request, reply) => sendFile(request, reply, { ...document, lifetime: "no-cache" }));
}

interface File {
  content: Buffer;
  type: string;
  version: string;
  /** The Cache-Control header. */
  lifetime: string;
}

function sendFile(request: FastifyRequest, reply: FastifyReply, file: File): FastifyReply {
  const etag = `"${file.version}"`;
  reply.header("etag", etag).header("cache-control", file.lifetime);
  if (request.headers["if-none-match"] === etag) return reply.code(304).send();
  return reply.type(file.type).send(file.content);
}

function hashOf(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex").slice(0, 16);
}
