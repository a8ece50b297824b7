import { strict as assert } from "node:assert";
import { narrate, narratePlan } from "../../demo/narration";

describe("the narration of pulumi's output", () => {
  it("tells what was made, of which kind, and in which time", () => {
    assert.equal(
      narrate(" +  kubernetes:core/v1:Secret database-credentials-secret created (0.05s) "),
      "+ Secret                 database-credentials-secret      0.05s",
    );
    assert.equal(
      narrate(
        " +  pulumi-nodejs:dynamic/stateful-cd:Migration schema-0001-bookkeeper created (1s) ",
      ),
      "+ Migration              schema-0001-bookkeeper           1s",
    );
  });

  it("passes on what a provider says", () => {
    assert.equal(
      narrate(
        " +  pulumi:pulumi:Stack stateful-cd-prod creating (9s) bookkeeper-prod/bookkeeper: 0001-bookkeeper: applied in 0.10 s",
      ),
      "  bookkeeper-prod/bookkeeper: 0001-bookkeeper: applied in 0.10 s",
    );
  });

  it("leaves out what only tells that time passes", () => {
    for (const line of [
      "@ updating.......",
      " +  kubernetes:core/v1:Secret database-credentials-secret creating (0s) ",
      " +  stateful-cd:index:Database database created ",
      " +  pulumi:pulumi:Stack stateful-cd-prod creating (9s) 3 messages",
    ]) {
      assert.equal(narrate(line), undefined, line);
    }
  });

  it("tells of a preview what would change, and not what only holds it", () => {
    assert.equal(
      narratePlan(
        " +  pulumi-nodejs:dynamic/stateful-cd:Migration schema-0002-inventory-warehouse create ",
      ),
      "+ Migration              schema-0002-inventory-warehouse  create",
    );
    for (const line of [
      " +  stateful-cd:index:Backend backend create ",
      " +  pulumi:pulumi:Stack stateful-cd-staging create read pulumi:pulumi:StackReference x/y/prod",
      "    pulumi:pulumi:Stack stateful-cd-staging  ",
      "    + 57 to create",
    ]) {
      assert.equal(narratePlan(line), undefined);
    }
  });
});
