import { strict as assert } from "node:assert";
import { describeApiError } from "../../kube/apiError";
import { loadCluster } from "../../kube/client";
import { ApiException } from "../../kube/clusterClient";
import { connectToPostgres } from "../../kube/postgres";
import { type Answer, type FakeCluster, startFakeCluster } from "../fakeCluster";

describe("an API server's refusal", () => {
  const said = (code: number, body: unknown) =>
    describeApiError(new ApiException(code, "Unknown API Status Code!", body, {}));

  it("is told in its own words", () => {
    assert.equal(said(403, '{"kind":"Status","message":"pods is forbidden"}'), "pods is forbidden");
  });

  it("is told in one line when it is a gateway's page of HTML, half a document, or nothing", () => {
    const page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<hr>nginx</html>\r\n";
    assert.equal(said(502, page), "HTTP 502 Bad Gateway: 502 Bad Gateway nginx");
    assert.equal(said(500, '{"message":"cut'), 'HTTP 500 Internal Server Error: {"message":"cut');
    assert.equal(said(401, undefined), "HTTP 401 Unauthorized");
    assert.equal(said(503, "null"), "HTTP 503 Service Unavailable: null");
  });
});

describe("an API server", () => {
  let cluster: FakeCluster | undefined;
  afterEach(() => cluster?.end());

  const ready = {
    items: [
      {
        metadata: { name: "database-0" },
        status: { conditions: [{ type: "Ready", status: "True" }] },
      },
    ],
  };
  const secret = { data: { password: Buffer.from("secret").toString("base64") } };
  const pods = "GET /api/v1/namespaces/shop/pods";
  const forward = `${pods}/database-0/portforward`;

  /** Connects to the database behind it, which says these things, one a request. */
  async function connect(seconds: number, pod: Answer, ...forwards: number[]) {
    let last = 0;
    cluster = await startFakeCluster((request) => {
      if (request === pods) return pod;
      if (request !== forward) return [200, secret];
      last = forwards.shift() ?? last;
      return [last, ""];
    });
    return connectToPostgres(
      {
        context: cluster.context,
        namespace: "shop",
        app: "database",
        port: 5432,
        database: "shop",
        role: "postgres",
        secret: "database",
        secretKey: "password",
      },
      seconds,
      "a test",
    );
  }

  it("that takes a request and never answers is given up after ten seconds", async () => {
    cluster = await startFakeCluster(() => undefined);
    const { core } = loadCluster(cluster.context);
    await assert.rejects(core.listNamespacedPod({ namespace: "shop" }), (error) => {
      assert.equal(describeApiError(error), "no answer in time");
      return true;
    });
  }).timeout(20_000);

  it("that may not forward to a pod says which right is missing, at once", async () => {
    await assert.rejects(connect(60, [200, ready], 403), (error: Error) => {
      assert.equal(
        error.message,
        `Port 5432 of pod shop/database-0 was not forwarded: HTTP 403 Refused.\n  The program needs get and create on pods/portforward.\n  Next: kubectl --context ${cluster?.context ?? ""} auth can-i create pods/portforward -n shop`,
      );
      return true;
    });
  });

  it("is asked again while a pod has just gone or its node fails, and then no right is spoken of", async () => {
    await assert.rejects(connect(1.2, [200, ready], 404, 502, 500), (error: Error) => {
      assert.equal(
        error.message,
        `Port 5432 of pod shop/database-0 was not forwarded: HTTP 500 Refused.\n  The pod has gone, or its node does not answer.\n  Next: kubectl --context ${cluster?.context ?? ""} get pods -n shop -o wide`,
      );
      return true;
    });
    assert.ok((cluster?.asked.filter((request) => request === pods).length ?? 0) >= 3);
  });

  it("is asked again while no pod is ready", async () => {
    await assert.rejects(
      connect(0.6, [200, { items: [] }]),
      /^UserError: No pod of shop\/database is ready\.\n {2}There is no such pod\.\n/,
    );
    assert.ok((cluster?.asked.filter((request) => request === pods).length ?? 0) >= 2);
  });
});
