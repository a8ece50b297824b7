import { strict as assert } from "node:assert";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { loadSettings } from "../../settings";
import { UserError } from "../../userError";

const complete: Record<string, string> = {
  release: "1.0.0",
  application: "bookkeeper",
  releases: "releases",
  protectData: "true",
  cluster: '{"context":"stateful-cd","deployer":"stateful-cd"}',
  database: '{"storage":"4Gi","cpu":"250m","memory":"512Mi"}',
  backend: '{"replicas":2}',
  frontend: '{"replicas":2,"nodePort":30080}',
  sampleData: "{}",
  clone: "{}",
  contract: "{}",
};

function loadWith(changes: Record<string, string | undefined>) {
  const config = Object.entries({ ...complete, ...changes }).flatMap(([key, value]) =>
    value === undefined ? [] : [[`stateful-cd:${key}`, value]],
  );
  pulumi.runtime.setAllConfig(Object.fromEntries(config) as Record<string, string>);
  return loadSettings();
}

function mistakesWith(changes: Record<string, string | undefined>): string {
  try {
    loadWith(changes);
  } catch (error) {
    assert.ok(error instanceof UserError);
    return error.message;
  }
  return assert.fail("the settings were accepted");
}

describe("settings", () => {
  before(() =>
    pulumi.runtime.setMocks(
      {
        newResource: () => assert.fail("settings declare nothing"),
        call: () => assert.fail("settings call nothing"),
      },
      "stateful-cd",
      "prod",
    ),
  );

  it("are one object with the release's parts and the stack's namespace", () => {
    const settings = loadWith({});
    assert.equal(settings.place.namespace, "bookkeeper-prod");
    assert.equal(settings.release.server.version, "17.9");
    assert.equal(settings.frontend.nodePort, 30080);
    assert.equal(settings.sampleData, undefined);
  });

  it("report every missing and mistyped key in one message", () => {
    assert.equal(
      mistakesWith({
        release: "",
        protectData: "perhaps",
        database: '{"storage":"4 Gigs","cpu":"250m"}',
        backend: '{"replicas":"two"}',
        fronted: '{"replicas":1}',
      }),
      [
        "Pulumi.prod.yaml has 6 mistake(s).",
        "stateful-cd:release: is missing; releases/ holds: 1.0.0, 2.0.0",
        "stateful-cd:protectData: Invalid input: expected boolean, received string",
        "stateful-cd:database.storage: must be a Kubernetes quantity like 250m, 512Mi or 4Gi",
        "stateful-cd:database.memory: is missing",
        "stateful-cd:backend.replicas: Invalid input: expected number, received string",
        "stateful-cd:fronted: is not known here",
        "Next: edit Pulumi.prod.yaml (Pulumi.yaml describes each key)",
      ].join("\n  "),
    );
  });

  it("refuse a claim too small for a server", () => {
    assert.match(
      mistakesWith({ database: '{"storage":"500Mi","cpu":"250m","memory":"512Mi"}' }),
      /stateful-cd:database\.storage: must be at least 1Gi: a fresh server with its write-ahead log/,
    );
  });

  it("name the releases there are when one is unknown", () => {
    assert.equal(
      mistakesWith({ release: "9.9.9" }),
      [
        'There is no release "9.9.9".',
        "releases/ holds: 1.0.0, 2.0.0.",
        "Next: pulumi config set release <one of these>",
      ].join("\n  "),
    );
  });

  it("show every mistake of a release's file at its place", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "releases-"));
    const file = path.join(folder, "3.0.0.yaml");
    const text = readFileSync("releases/2.0.0.yaml", "utf8")
      .replace(/^version: .*/m, "version: 3.0.0")
      .replace(/^frontend: .*/m, "frontend: latest")
      .replace(/^( *)last: /m, "$1list: ");
    writeFileSync(file, text);
    const placeOf = (words: string): string[] => {
      const line = text.slice(0, text.indexOf(words)).split("\n").length;
      const column = words.indexOf(":") + 3;
      return [`${file}:${line}:${column}`, `${line} | ${words}`];
    };
    try {
      const message = mistakesWith({ release: "3.0.0", releases: folder });
      for (const expected of [
        `${file} is not a release.`,
        "frontend: must be an image with a tag or a digest, like registry/name:1.0.0",
        ...placeOf("frontend: latest"),
        `migrations.last: is missing\n  ${placeOf("folder: ")[0]?.replace(/\d+$/, "3") ?? ""}`,
        "migrations.list: is not known here",
        `Next: edit ${file}`,
      ]) {
        assert.equal(message.includes(expected), true, `${expected}\n---\n${message}`);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("never take a release's name for a path", () => {
    assert.match(mistakesWith({ release: "../Pulumi" }), /^There is no release "\.\.\/Pulumi"\./);
  });
});
