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
  const mockStack = (name: string) =>
    pulumi.runtime.setMocks(
      {
        newResource: () => assert.fail("settings declare nothing"),
        call: () => assert.fail("settings call nothing"),
      },
      "stateful-cd",
      name,
    );

  beforeEach(() => mockStack("prod"));

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
        "stateful-cd:database.storage: must be a Kubernetes quantity of bytes like 512Mi, 10G or 4Gi",
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

  it("take the quantities of bytes that Kubernetes takes, and no thousandths of them", () => {
    const database = { storage: "10G", cpu: "0.5", memory: "500M" };
    assert.deepEqual(loadWith({ database: JSON.stringify(database) }).database, database);
    assert.equal(
      mistakesWith({ database: '{"storage":"5000000000m","cpu":"1Gi","memory":"1m"}' }),
      [
        "Pulumi.prod.yaml has 3 mistake(s).",
        "stateful-cd:database.storage: must be a Kubernetes quantity of bytes like 512Mi, 10G or 4Gi",
        "stateful-cd:database.cpu: must be a Kubernetes quantity like 250m or 2",
        "stateful-cd:database.memory: must be a Kubernetes quantity of bytes like 512Mi, 10G or 4Gi",
        "Next: edit Pulumi.prod.yaml (Pulumi.yaml describes each key)",
      ].join("\n  "),
    );
  });

  it("report text that only looks like a number or an object among the other mistakes", () => {
    assert.equal(
      mistakesWith({ application: "007", source: "{x", backend: "[1" }),
      [
        "Pulumi.prod.yaml has 3 mistake(s).",
        "stateful-cd:application: must be lower-case letters, digits and hyphens, and begin with a letter",
        "stateful-cd:backend: Invalid input: expected object, received string",
        "stateful-cd:source: must be lower-case letters, digits and hyphens, and begin with a letter",
        "Next: edit Pulumi.prod.yaml (Pulumi.yaml describes each key)",
      ].join("\n  "),
    );
  });

  it("name the releases of their own folder when one is unknown, and take none for a path", () => {
    const releases = "tests/fixtures/releases";
    for (const release of ["9.9.9", "../Pulumi"]) {
      assert.equal(
        mistakesWith({ release, releases }),
        [
          "Pulumi.prod.yaml has 1 mistake(s).",
          `stateful-cd:release: is no release; ${releases}/ holds: 1.0.0, 1.0.0-missing-image, 1.0.0-slow`,
          "Next: edit Pulumi.prod.yaml (Pulumi.yaml describes each key)",
        ].join("\n  "),
      );
    }
  });

  it("report what is not there, and a stack that would be its own source or proof", () => {
    assert.equal(
      mistakesWith({
        releases: "nope",
        source: "prod",
        promotion: '{"from":"prod"}',
        sampleData: '{"rows":1,"seed":"brisket","file":"app/no-sample.sql"}',
      }),
      [
        "Pulumi.prod.yaml has 4 mistake(s).",
        "stateful-cd:releases: nope/ holds no release",
        "stateful-cd:source: must be another stack",
        "stateful-cd:promotion.from: must be another stack",
        "stateful-cd:sampleData.file: is no file",
        "Next: edit Pulumi.prod.yaml (Pulumi.yaml describes each key)",
      ].join("\n  "),
    );
  });

  it("report every name that Kubernetes or PostgreSQL would not take, or take for another's", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "releases-"));
    const long = `1.0.0-${"x".repeat(50)}`;
    for (const version of ["1.0.0", "1.0.0_", "1.0.0-RC1", "1.0.0-rc1", "1.0.0_rc1", long]) {
      writeFileSync(path.join(folder, `${version}.yaml`), "");
    }
    const isNoVersion =
      "a version is lower-case letters and digits, between them single dots, hyphens or underscores";
    try {
      assert.deepEqual(
        mistakesWith({ releases: folder, backend: undefined }).split("\n  ").sort(),
        [
          "Pulumi.prod.yaml has 6 mistake(s).",
          `stateful-cd:releases: 1.0.0_.yaml: ${isNoVersion}`,
          `stateful-cd:releases: 1.0.0-RC1.yaml: ${isNoVersion}`,
          "stateful-cd:releases: 1.0.0-rc1.yaml: its Service frontend-1-0-0-rc1 is that of 1.0.0_rc1.yaml too",
          `stateful-cd:releases: ${long}.yaml: its role bookkeeper_app_1_0_0_${"x".repeat(50)} has 71 characters, of 63 at most`,
          `stateful-cd:releases: ${long}.yaml: its Service frontend-1-0-0-${"x".repeat(50)} has 65 characters, of 63 at most`,
          "stateful-cd:backend: is missing",
          "Next: edit Pulumi.prod.yaml (Pulumi.yaml describes each key)",
        ].sort(),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
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

  it("report a stack whose name makes no namespace", async () => {
    await mockStack("My_Stack");
    assert.equal(
      mistakesWith({ protectData: undefined }),
      [
        "Pulumi.My_Stack.yaml has 2 mistake(s).",
        "stateful-cd:application: the namespace bookkeeper-My_Stack must be at most 63 lower-case letters, digits and hyphens: shorten this, or pulumi stack rename",
        "stateful-cd:protectData: is missing",
        "Next: edit Pulumi.My_Stack.yaml (Pulumi.yaml describes each key)",
      ].join("\n  "),
    );
  });
});
